"""The datum that breaks each rule, through the real gate; and plausible corruptions of inputs."""
