"""The figures of a paper: each as PDF, SVG and the numbers that it shows."""
