"""Names and labels that a CSV file does not hold as they are: with blanks around them, or empty."""

from exported_structure import EXPORTED, outcome_of
from made_up_frame import made_up_frame
from public_structures import publish


def odd():
    frame = made_up_frame(steps=60).rename(columns={"memory": "memory ", "price": " price"})
    frame["status"] = frame["status"].map({"ok": "", "busy": " busy ", "down": "down"})
    return publish(
        frame.assign(host=" " + frame["host"], role=frame["role"] + " "),
        "1h",
        target="load",
        group_ids=["host"],
        max_encoder_length=12,
        max_prediction_length=4,
        static_categoricals=["host", "role"],
        time_varying_known_reals=[" price"],
        time_varying_unknown_reals=["load", "memory "],
        time_varying_unknown_categoricals=["status"],
    )


def test_a_history_of_names_and_labels_with_blanks_is_read_as_the_model_was_trained(tmp_path):
    outcome = outcome_of(odd, tmp_path, ("--exporter", "legacy"))
    assert outcome.kind == EXPORTED, outcome.detail
