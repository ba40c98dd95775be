"""What the hospital has decided: site.yaml with its policy, hours of work, and keys."""
