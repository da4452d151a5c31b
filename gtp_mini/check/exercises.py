"""The exercises of the book by number: references, and the mistakes that deserve their own answer. A file a chapter."""

from . import (
    Exercise,
    Reading,
    actor_and_critic,
    better_than_the_data,
    is_it_true,
    jumping_to_the_end,
    many_good_answers,
    more_of_everything,
    noise_to_data,
    the_data,
    the_local_rule,
    the_whole_map,
    training_the_ant,
    where_targets_come_from,
)

CHAPTERS = (noise_to_data, the_local_rule, jumping_to_the_end, the_whole_map, where_targets_come_from,
            many_good_answers, better_than_the_data, actor_and_critic, the_data, training_the_ant,
            is_it_true, more_of_everything)

EXERCISES: dict[str, Exercise | Reading] = {number: exercise for chapter in CHAPTERS
                                            for number, exercise in chapter.EXERCISES.items()}
