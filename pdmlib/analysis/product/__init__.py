"""What people do with the application: features, activity, tickets, and what it costs."""
