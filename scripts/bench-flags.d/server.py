"""Serves the flag of scripts/bench-flags with fast-feature, by its defaults: one process, flags in memory.

Its own command starts without flags and has no route to create one, so the application is put together here.
"""

import sys

import uvicorn
from fast_feature.core import Flag
from fast_feature.ofrep import OfrepRouter
from fast_feature.storage.inmemory import InMemoryFlagRepository
from fastapi import FastAPI

FLAG = Flag(
    key=sys.argv[2],
    variants={"on": True, "off": False},
    default_variant="off",
    targeting={"if": [{"and": [{"==": [{"var": "country"}, "DE"]}, {"in": [{"var": "plan"}, ["pro", "team"]]}]}, "on", None]},
)

app = FastAPI(title="fast-feature")
app.include_router(OfrepRouter.build(InMemoryFlagRepository([FLAG])))
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]))
