"""What client and server must have in common to talk: with another number they refuse."""

PROTOCOL = 5
PROTOCOL_HEADER = "x-medfl-protocol"  # of the coordinator's answer to GET /health
