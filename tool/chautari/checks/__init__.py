"""The pytest plugins that roles' checks run under: inside on the node, outside from the laptop."""
