"""What a coordinator can do to a study, by command or by button: plain values in, sentences out."""
