#!/usr/bin/env python3
"""deploy/growth.md is what deploy/growth.py makes of its inputs, and the arithmetic is that of the design."""
import dataclasses
import pathlib
import sys
import unittest

REPO = pathlib.Path(__file__).resolve().parent.parent
sys.path.append(str(REPO / "deploy"))
import growth  # noqa: E402
from growth import Inputs, Size  # noqa: E402


class Growth(unittest.TestCase):
    def test_page_is_what_the_script_makes(self):
        self.assertEqual(growth.PAGE.read_text(), growth.page(), "deploy/growth.py --write")

    def test_a_million_webhooks_a_day(self):
        size = Size(1e6, Inputs())
        for figure, is_about in ((size.peak, 116), (size.cores, 0.46), (size.rows_a_year, 1.39e12), (size.recordings, 0.467e12), (size.speech, 24_000)):
            self.assertAlmostEqual(figure / is_about, 1, delta=0.01)
        self.assertEqual(size.cells(1), 1)

    def test_all_grows_with_the_webhooks_and_cells_bring_a_restore_into_its_time(self):
        i = Inputs()
        for field in ("peak", "cores", "rows_a_year", "recordings", "inbox", "kafka", "events"):
            self.assertAlmostEqual(getattr(Size(1e8, i), field) / getattr(Size(1e6, i), field), 100)
        for webhooks in (1e6, 1e7, 1e8):
            cells = Size(webhooks, i).cells(1)
            self.assertLessEqual(Size(webhooks / cells, i).restore_h * 3600, i.restore_s)
        self.assertEqual(Size(1e7, dataclasses.replace(i, archive_months=0)).cells(1), 2)  # what the archive saves

    def test_numbers_have_two_figures(self):
        for value, text in ((0.463, "0.46"), (11.57, "12"), (1157.4, "1,200"), (4, "4"), (0, "0"), (99.6, "100")):
            self.assertEqual(growth.number(value), text)
        for value, text in ((1e6, "10⁶"), (1.74e8, "1.7 × 10⁸"), (3.33e5, "3.3 × 10⁵")):
            self.assertEqual(growth.power(value), text)
        self.assertEqual(growth.bytes_(1.387e12), "1.4 TB")


unittest.main()
