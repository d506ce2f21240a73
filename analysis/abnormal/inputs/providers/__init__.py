"""Where prices come from, one source a file: `files` (a user's own), `yahoo` (a connection), `synthetic` (made up)."""
