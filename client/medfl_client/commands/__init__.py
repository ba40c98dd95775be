"""One file per command of `medfl-client`."""
