"""What a site's file could say, guessed from what its database, endpoints and files show; every guess is asked."""
