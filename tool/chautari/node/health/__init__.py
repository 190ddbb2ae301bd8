"""What a node measures of itself every five minutes, and the mails about what got worse."""
