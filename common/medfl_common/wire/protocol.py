"""What client and server must have in common to talk: with another number they refuse."""

PROTOCOL = 6
RUN = r"[0-9a-f]{32}"  # the name of a run
PROTOCOL_HEADER = "x-medfl-protocol"  # of the coordinator's answer to GET /health
# The coordinator's answer to a GET /health that a site has signed as Flower signs requests: the
# site's name and its keys' fingerprint, or nothing if the key is not enrolled.
ENROLLED_HEADER = "medfl-enrolled"
