"""Mutation testing of the guard proper: does a test fail for each small change of the code?

    python -m mutation [module or folder ...]     needs the extra `mutation`, and fork
    python -m mutation --page                     write docs/mutation.md again from what was found last

A mutant is a module with one node of its syntax tree changed. Each runs the tests of its folder that reach the changed
lines, in a process of its own. A mutant that no test notices has survived: either a test is missing, or the code
decides nothing there, or `reasons.toml` says why it may live.
"""
