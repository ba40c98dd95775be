"""Many runs of one plan with different settings and seeds."""
