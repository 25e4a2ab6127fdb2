"""Which weights a subtask uses: differentiable masks on trained networks."""
