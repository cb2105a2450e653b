"""Event files by real writers, and what TensorBoard itself reads from them.

    python tensorboard_fill.py DIR
"""

import json
import pathlib
import sys

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboardX import SummaryWriter

AT = 1_700_000_000


def fill(root: pathlib.Path) -> None:
    for name, rate in (("train", 0.5), ("deep/er/val", 0.25)):
        with SummaryWriter(str(root / name)) as w:
            for step in range(500):
                w.add_scalar("loss/total", rate / (step + 1), step, walltime=AT + step * 0.25)
                w.add_scalar("odd name (1)", float("nan") if step == 3 else step, step, walltime=AT + step * 0.25)
            w.add_text("note", "first", 0)
            w.add_text("note", "last *one*", 1)
            w.add_histogram("weights", np.arange(100.0), 0)
            w.add_image("image", np.zeros((3, 4, 4), dtype=np.uint8), 0)
    with SummaryWriter(str(root / "hyper")) as w:
        w.add_hparams({"lr": 0.001, "batch": 64, "bias": True, "opt": "adam"}, {"accuracy": 0.75}, name="one", global_step=3)
    # As TF2 writes: tensors with metadata of the plugin.
    w = EventFileWriter(str(root / "two"))
    for step in range(300):
        w.add_event(Event(wall_time=AT + step, step=step, summary=scalar_pb("acc", 1 - 1 / (step + 1))))
    w.close()
    # A restart from a checkpoint at step 50.
    for part, steps in (("a", range(80)), ("b", range(50, 120))):
        w = EventFileWriter(str(root / "restart"), filename_suffix=f".{part}")
        if part == "b":
            from tensorboard.compat.proto.event_pb2 import SessionLog

            w.add_event(Event(wall_time=AT + 1000, step=50, session_log=SessionLog(status=SessionLog.START)))
        for step in steps:
            value = Summary.Value(tag="loss", simple_value=step + (1000 if part == "b" else 0))
            w.add_event(Event(wall_time=AT + (2000 if part == "b" else 0) + step, step=step, summary=Summary(value=[value])))
        w.close()


def read(root: pathlib.Path) -> dict:
    """Runs, their tags and points, by TensorBoard."""
    out = {}
    for folder in sorted({p.parent for p in root.rglob("*tfevents*")}):
        acc = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
        acc.Reload()
        curves = {tag: [(e.step, e.wall_time, e.value) for e in acc.Scalars(tag)] for tag in acc.Tags()["scalars"]}
        for tag in acc.Tags()["tensors"]:
            if acc.SummaryMetadata(tag).plugin_data.plugin_name == "scalars":
                curves[tag] = [(e.step, e.wall_time, float(e.tensor_proto.float_val[0])) for e in acc.Tensors(tag)]
        out[str(folder.relative_to(root))] = curves
    return out


if __name__ == "__main__":
    target = pathlib.Path(sys.argv[1])
    fill(target)
    print(json.dumps(read(target)))
