"""How AntMaze data is made: a gait that walks in any direction, a planner that says which, a batch of ants."""
