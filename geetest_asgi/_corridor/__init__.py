"""The corridor: the steps of one protected request, from its rule to the app or to a denial."""
