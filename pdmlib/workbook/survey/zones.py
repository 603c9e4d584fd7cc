"""The zone that people of a site live in, and the zones that its columns without one hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pdmlib.sources.postgres.survey import Column, Survey, Table
from pdmlib.workbook.survey.guess import Guess
from pdmlib.workbook.survey.rhythm import (
    fits_night,
    offset_from_newest,
    offset_from_night,
    offset_from_twin,
    zone_at,
)

# By the tables that a framework keeps of its migrations: Active Record's default_timezone, Prisma's DateTime and
# what Entity Framework recommends for columns without a zone are all UTC.
UTC_FRAMEWORKS = {
    "Rails": {"schema_migrations", "ar_internal_metadata"},
    "Prisma": {"_prisma_migrations"},
    "Entity Framework": {"__EFMigrationsHistory"},
}
Hours = Callable[[Table, Column], Sequence[int]]


NOTHING = "nothing tells"


@dataclass(frozen=True)
class Zones:
    """How zones are told.

    Attributes:
        hours: rows by hour of the day of a column, as stored.
        home: the zone of the site's people; empty where nothing tells it.
    """

    seen: Survey
    hours: Hours
    home: str = ""

    def of_home(self, tables: Iterable[tuple[Table, Column]]) -> Guess:
        """The zone of the site's people: by columns that are ahead of UTC, the server's setting, or nights."""
        pairs = list(tables)
        ahead = [self._offset(table, column) for table, column in pairs if column.is_naive]
        told = next((found for found in ahead if found and found[0]), None)
        if told and (zone := zone_at(told[0], self.seen.now, self._server())):
            return Guess(zone, f"{told[1]}; of the zones so far from UTC the one with most people")
        if self._server():
            return Guess(self._server()[0], "the server's own setting")
        nights = (offset_from_night(self.hours(t, c)) for t, c in pairs if not c.is_naive)
        night = next((offset for offset in nights if offset is not None), None)
        if night is not None and (zone := zone_at(night, self.seen.now)):
            return Guess(zone, "rows are fewest when it is night there; the offset may be an hour or two off")
        return Guess("UTC", NOTHING)

    def of_columns(self, table: Table, columns: Iterable[Column]) -> Guess | None:
        """The zone in which a table's columns without one are written; None where nothing tells."""
        for column in columns:
            if found := self._of(table, column):
                return found
        return None

    def _of(self, table: Table, column: Column) -> Guess | None:
        if self._framework:
            return Guess("UTC", f"{self._framework} keeps times in UTC")
        told = self._offset(table, column)
        if told and (zone := zone_at(told[0], self.seen.now, self._candidates())):
            return Guess(zone, told[1])
        hours, home = self.hours(table, column), self.home
        if home and (fits := fits_night(hours, self._candidates(), home, self.seen.now)):
            return Guess(fits, f"{column.name} has fewest rows when it is night in {self.home}")
        if column.made_now:
            return Guess(
                self.seen.zone, f"the default of {column.name} is the server's clock, which is set to this zone"
            )
        return None

    @property
    def _framework(self) -> str:
        """The framework whose own tables are there and which keeps times in UTC, whatever its people's zone."""
        names = {table.name.rpartition(".")[2] for table in self.seen.tables}
        return next((name for name, marks in UTC_FRAMEWORKS.items() if marks <= names), "")

    def _offset(self, table: Table, column: Column) -> tuple[int, str] | None:
        """Seconds by which a column's times are ahead of UTC, and what shows it."""
        naive = table.values(column.name)
        for other in table.columns:
            if other.is_time and not other.is_naive:
                twin = offset_from_twin(naive, table.values(other.name))
                if twin is not None:
                    return twin, f"{column.name} is as far from {other.name}, which has a zone, in the same rows"
        newest = offset_from_newest([value for value in naive if value is not None], self.seen.now)
        return None if newest is None else (newest, f"the newest {column.name} is as far from the server's clock")

    def _candidates(self) -> tuple[str, ...]:
        return tuple(zone for zone in (self.home, *self._server(), "UTC") if zone)

    def _server(self) -> tuple[str, ...]:
        """The zone that the server gives to sessions, where it is not one of UTC's names."""
        plain = self.seen.zone.split("/")[-1].upper()
        return (
            ()
            if plain in ("UTC", "GMT", "UCT", "ZULU", "UNIVERSAL", "GREENWICH", "LOCALTIME")
            else (self.seen.zone,)
        )


def agreed(found: Mapping[str, Guess | None]) -> dict[str, Guess | None]:
    """Guesses of tables, those without one taking what all others agree on."""
    values = {guess.value for guess in found.values() if guess}
    if len(values) != 1:
        return dict(found)
    common = Guess(values.pop(), "as the other tables")
    return {table: guess or common for table, guess in found.items()}
