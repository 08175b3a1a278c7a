"""The run store: what was run, in one SQLite file that other tools read as it is.

    from scenarios.store.store import Store

    with Store.open() as store:
        for run in store.runs():
            print(run["id"], run["name"], run["verdict"], run["decades"])

WAL mode: readers and a writer work at once. A step or cell is committed once the call that added
it returns: killing the process loses none. A power cut may cost the last moments, not the file.
"""
