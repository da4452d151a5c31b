"""The study: what the published recipe loses, what mends it, and what it is worth, measured.

Each part asks one question; its runs are on record in data/study, one line each. `gtp-mini study` makes those that are
missing and writes the tables.
"""

from . import bias, improvement, quality, temperature
from .run import Part, run_part

PARTS = {part.name: part for part in (
    Part("bias", "How much spread do models lose that learn by GTP's consistency loss, and is it what theory says?",
         bias.cells, bias.measure, bias.tables, bias.plot),
    Part("costs", "What does an update of each method take?", quality.cost_cells, quality.measure_costs,
         quality.cost_tables, None),
    Part("tuning", "Which learning rate and sigma_max suit each method?", quality.tuning_cells, quality.measure,
         quality.tuning_tables, None),
    Part("quality", "How good are samples in few steps?", quality.cells, quality.measure, quality.tables, quality.plot),
    Part("temperature", "Does the learned policy have the arm probabilities that its temperature promises?",
         temperature.cells, temperature.measure, temperature.tables, temperature.plot),
    Part("strength", "How strongly should each agent listen to its critic?", improvement.strength_cells,
         improvement.measure, improvement.strength_tables, None, improvement.prepare),
    Part("improvement", "Who improves on the data?", improvement.cells, improvement.measure, improvement.tables,
         improvement.plot, improvement.prepare),
)}

__all__ = ["PARTS", "Part", "run_part"]
