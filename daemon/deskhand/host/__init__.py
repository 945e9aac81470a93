"""Where the engine runs: in the foreground now, as a service later; and how others speak to it."""
