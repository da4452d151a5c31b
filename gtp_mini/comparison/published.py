"""Scores that others have published, to stand beside ours, each with its source."""

SOURCE = "Feng et al. 2026, Table 2, D4RL v0-lineage data; not the same data as ours"
GTP = {  # successes in 100 episodes, mean over the authors' seeds
    "antmaze-umaze": 100.0,
    "antmaze-umaze-diverse": 81.9,
    "antmaze-medium-play": 83.3,
    "antmaze-medium-diverse": 94.2,
    "antmaze-large-play": 53.5,
    "antmaze-large-diverse": 71.0,
}
