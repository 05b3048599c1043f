"""Fuzzing of the pure core: bytes that nobody thought of, against promises that must hold for all bytes.

    python -m fuzz [--seconds N] [--keep] [target ...]     needs the extra `fuzz`: atheris, on Linux
    python -m fuzz --again FILE target                     one input again, without atheris

A target is a module with a plain function `check(data)` that raises where a promise is broken. Its inputs are kept in
`corpus/<target>/`; the tests replay them (tests/test_fuzz_corpus.py).
"""
