"""The REST API over the daemon's database: routes, wire types, error bodies. Holds no state of its own."""
