"""The worlds that a policy acts in: each module makes the environments of one family of tasks."""
