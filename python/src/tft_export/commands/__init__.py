"""What the command line offers, a file each: arguments in, text out. The work is done elsewhere."""
