"""Where Atari's games keep what they show: bytes of their 128 bytes of memory.

After the annotations of AtariARI (Anand et al. 2019, Unsupervised State Representation Learning in Atari, arXiv
1906.08226; github.com/mila-iqia/atari-representation-learning, MIT licence), for the games that were tried here.
"""

from __future__ import annotations

from collections.abc import Mapping

GAMES: Mapping[str, Mapping[str, int]] = {
    "Boxing": {
        "clock": 17,
        "player_score": 18,
        "enemy_score": 19,
        "player_x": 32,
        "enemy_x": 33,
        "player_y": 34,
        "enemy_y": 35,
    },
    "Pong": {
        "enemy_score": 13,
        "player_score": 14,
        "enemy_x": 45,
        "player_x": 46,
        "ball_x": 49,
        "enemy_y": 50,
        "player_y": 51,
        "ball_y": 54,
    },
}
"""Game -> what is kept -> the byte that keeps it. Of all other games the memory itself is stored."""
