"""What happens when something that Context0 stands on fails, hangs or ends."""
