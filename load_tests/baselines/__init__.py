"""What the service is measured against: each a service of its own, as its kind is usually written."""
