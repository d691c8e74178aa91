"""What setup-target and install-target do; the stages of an installation, one module each."""
