"""Writes flights.json: the import of jobs/imports/flights.yaml, computed with Python's standard library.

Run from the root of the project, after ./dev setup: python3 tests/dataio/golden/flights.py
Each snapshot is written row by row as text (cells joined with '|', '-' for missing, numbers in the shortest
form that reads back, as {fmt} writes them) and hashed.
"""
import csv
import datetime as dt
import hashlib
import io
import json
import zipfile

WEATHER = ["temp", "humid", "wind_speed", "precip", "visib"]
DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def when(text):
    return dt.datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ")


def number(text):
    if text in ("", "NA"):
        return "-"
    value = repr(float(text))
    if "e" in value:
        mantissa, exponent = value.split("e")
        return f"{mantissa}e{int(exponent):+03d}"
    return value.removesuffix(".0")


weather = {}
with open("build/data/weather.csv", newline="") as file:
    for row in csv.DictReader(file):
        key = (row["origin"], when(row["time_hour"]) + dt.timedelta(hours=1))
        assert key not in weather
        weather[key] = [number(row[name]) for name in WEATHER]

months = {}
with zipfile.ZipFile("build/data/flights.csv.zip") as archive:
    text = io.TextIOWrapper(archive.open("flights.csv"), encoding="utf-8", newline="")
    for row in csv.DictReader(text):
        hour = when(row["time_hour"])
        departure = hour + dt.timedelta(minutes=int(row["minute"]))
        day = dt.date(int(row["year"]), int(row["month"]), int(row["day"]))
        late = "-" if row["arr_delay"] in ("", "NA") else "1" if float(row["arr_delay"]) > 15 else "0"
        cells = [departure.strftime("%Y-%m-%dT%H:%M:%SZ"), str(60 * int(row["hour"]) + int(row["minute"])),
                 DAYS[day.weekday()], row["carrier"], row["origin"], row["dest"], number(row["distance"]),
                 *weather.get((row["origin"], hour), ["-"] * len(WEATHER)), late]
        months.setdefault(f"{day:%Y-%m}", []).append((departure, "|".join(cells)))

snapshots = []
for name in sorted(months):
    rows = [cells for _, cells in sorted(months[name], key=lambda row: row[0])]  # stable
    digest = hashlib.sha256("".join(cells + "\n" for cells in rows).encode()).hexdigest()
    snapshots.append({"name": name, "rows": len(rows), "first": rows[0], "sha256": digest})
with open("tests/dataio/golden/flights.json", "w") as file:
    json.dump({"snapshots": snapshots}, file, indent=1)
    file.write("\n")
