"""Many runs of one plan with other settings and seeds."""
