"""The Lab screen: pick a scenario, turn its knobs, watch its gradients live."""
