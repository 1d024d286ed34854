"""Units that answers are given in: what each measures, and how many of its base unit it is. Anything else is a noun."""

from dataclasses import dataclass
from fractions import Fraction

_INCH = Fraction(254, 10000)
_POUND = Fraction(45359237, 100000)  # grams
_GALLON = Fraction(3785411784, 10**9)  # litres

_NAMES: dict[str, tuple[Fraction | int, dict[str, int], str]] = {
    "metre": (1, {"length": 1}, "m meter meters metre metres"),
    "kilometre": (1000, {"length": 1}, "km kilometer kilometers kilometre kilometres kms"),
    "centimetre": (Fraction(1, 100), {"length": 1}, "cm centimeter centimeters centimetre centimetres cms"),
    "millimetre": (Fraction(1, 1000), {"length": 1}, "mm millimeter millimeters millimetre millimetres"),
    "decimetre": (Fraction(1, 10), {"length": 1}, "dm decimeter decimeters decimetre decimetres"),
    "inch": (_INCH, {"length": 1}, "in inch inches"),
    "foot": (_INCH * 12, {"length": 1}, "ft foot feet"),
    "yard": (_INCH * 36, {"length": 1}, "yd yds yard yards"),
    "mile": (_INCH * 63360, {"length": 1}, "mi mile miles"),
    "gram": (1, {"mass": 1}, "g gram grams gm gms"),
    "kilogram": (1000, {"mass": 1}, "kg kilogram kilograms kgs kilo kilos"),
    "milligram": (Fraction(1, 1000), {"mass": 1}, "mg milligram milligrams"),
    "tonne": (10**6, {"mass": 1}, "tonne tonnes"),
    "pound": (_POUND, {"mass": 1}, "lb lbs pound pounds"),
    "ounce": (_POUND / 16, {"mass": 1}, "oz ounce ounces"),
    "second": (1, {"time": 1}, "s sec secs second seconds"),
    "minute": (60, {"time": 1}, "min mins minute minutes"),
    "hour": (3600, {"time": 1}, "h hr hrs hour hours"),
    "day": (86400, {"time": 1}, "day days"),
    "week": (604800, {"time": 1}, "week weeks"),
    "month": (1, {"month": 1}, "month months"),
    "year": (12, {"month": 1}, "yr yrs year years"),
    "litre": (Fraction(1, 1000), {"length": 3}, "L liter liters litre litres"),
    "millilitre": (Fraction(1, 10**6), {"length": 3}, "mL ml milliliter milliliters millilitre millilitres"),
    "gallon": (_GALLON / 1000, {"length": 3}, "gal gallon gallons"),
    "quart": (_GALLON / 4000, {"length": 3}, "qt quart quarts"),
    "pint": (_GALLON / 8000, {"length": 3}, "pt pint pints"),
    "hectare": (10000, {"length": 2}, "ha hectare hectares"),
    "acre": ((_INCH * 63360) ** 2 / 640, {"length": 2}, "acre acres"),
    "mph": (_INCH * 63360 / 3600, {"length": 1, "time": -1}, "mph"),
    "kph": (Fraction(1000, 3600), {"length": 1, "time": -1}, "kph kmh kmph"),
    "newton": (1000, {"mass": 1, "length": 1, "time": -2}, "N newton newtons"),
    "joule": (1000, {"mass": 1, "length": 2, "time": -2}, "J joule joules"),
    "watt": (1000, {"mass": 1, "length": 2, "time": -3}, "W watt watts"),
    "kilowatt": (10**6, {"mass": 1, "length": 2, "time": -3}, "kW kilowatt kilowatts"),
    "pascal": (1000, {"mass": 1, "length": -1, "time": -2}, "Pa pascal pascals"),
    "hertz": (1, {"cycle": 1, "time": -1}, "Hz hertz"),
    "volt": (1, {"volt": 1}, "V volt volts"),
    "ampere": (1, {"ampere": 1}, "A amp amps ampere amperes"),
    "ohm": (1, {"ohm": 1}, "ohm ohms"),
    "mole": (1, {"mole": 1}, "mol mole moles"),
    "kelvin": (1, {"kelvin": 1}, "K kelvin kelvins"),
    "celsius": (1, {"celsius": 1}, "degreeC celsius Celsius"),
    "fahrenheit": (1, {"fahrenheit": 1}, "degreeF fahrenheit Fahrenheit"),
    "degree": (1, {"degree": 1}, "degree degrees deg"),
    "radian": (1, {"radian": 1}, "rad rads radian radians"),
    "percent": (1, {"percent": 1}, "% percent"),
    "dollar": (100, {"dollar": 1}, "$ dollar dollars USD"),
    "cent": (1, {"dollar": 1}, "cent cents"),
    "euro": (1, {"euro": 1}, "euro euros EUR"),
    "sterling": (1, {"sterling": 1}, "gbp GBP"),
    "yen": (1, {"yen": 1}, "yen JPY"),
    "yuan": (1, {"yuan": 1}, "yuan RMB"),
    "rupee": (1, {"rupee": 1}, "rupee rupees Rs"),
    "unit": (1, {"unit": 1}, "unit units"),
}
UNITS: dict[str, tuple[Fraction | int, dict[str, int]]] = {
    name: (factor, measures) for factor, measures, names in _NAMES.values() for name in names.split()
}
SCALES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12}
MONEY = frozenset(["dollar", "euro", "sterling", "yen", "yuan", "rupee"])
IRREGULAR = {
    "people": "person", "men": "man", "women": "woman", "children": "child", "feet": "foot", "mice": "mouse",
    "geese": "goose", "teeth": "tooth", "sheep": "sheep", "fish": "fish", "deer": "deer", "dice": "die",
    "vertices": "vertex", "matrices": "matrix", "knives": "knife", "leaves": "leaf", "loaves": "loaf",
    "series": "series", "species": "species",
}  # fmt: skip
_NOT_NOUNS = (  # what follows a number and does not say of what it is
    "is was are were be been has have does do did not no nor never or and but if when unless only just even also "
    "plus less more most least fewer greater bigger larger smaller than over under above below between about around "
    "approximately approx roughly nearly almost exactly maybe perhaps possibly probably likely surely wrong "
    "incorrect false right true correct bad nope yes otherwise instead then thus so because since until to from "
    "into onto of on in at by for with without per times minus divided multiplied mod modulo base other another "
    "each every any all some none both either neither this that these those it its they them which what who how why "
    "as us versus vs etc ie eg negative positive squared cubed factorial half halves third thirds fourth fourths "
    "quarter fifth fifths sixth sixths seventh sevenths eighth eighths ninth ninths tenth tenths hundredth "
    "hundredths thousandth thousandths millionths hundreds thousands millions billions trillions dozens tens ones "
    "others guess guesses possibility possibilities option options choice answer answers alternatives exceeds "
    "equals equal differs means remains depends follows approaches varies works fails thats always sometimes "
    "unknown undefined error hmm wait actually"
)
NOT_NOUNS = frozenset(_NOT_NOUNS.split())


@dataclass(frozen=True)
class Unit:
    """A unit: how many base units it is, and the powers of what it measures; or a noun, which is counted.

    Attributes:
        factor: of the base unit.
        powers: what it measures, with powers, sorted by name.
        noun: the words of a noun, singular; empty for a unit.
        counted: whether the noun was in the plural, so that it surely is one.
    """

    factor: Fraction = Fraction(1)
    powers: tuple[tuple[str, int], ...] = ()
    noun: tuple[str, ...] = ()
    counted: bool = True

    def measures(self, other: "Unit") -> bool:
        """Whether both measure the same, or count the same."""
        if self.noun or other.noun:
            shorter = min(len(self.noun), len(other.noun))
            return shorter > 0 and self.noun[-shorter:] == other.noun[-shorter:]
        return self.powers == other.powers

    def __mul__(self, other: "Unit") -> "Unit":
        powers = dict(self.powers)
        for name, power in other.powers:
            powers[name] = powers.get(name, 0) + power
        return Unit(self.factor * other.factor, tuple(sorted((n, p) for n, p in powers.items() if p)))

    def __pow__(self, exponent: int) -> "Unit":
        return Unit(self.factor**exponent, tuple((n, p * exponent) for n, p in self.powers if p * exponent))

    @property
    def only(self) -> str:
        """The one thing that it measures to the first power, such as `degree`; empty otherwise."""
        return self.powers[0][0] if len(self.powers) == 1 and self.powers[0][1] == 1 else ""


def unit(name: str) -> Unit | None:
    """The unit of that name, as written or in lower case; None where there is none."""
    found = UNITS.get(name) or (UNITS.get(name.lower()) if len(name) > 2 else None)
    return None if found is None else Unit(Fraction(found[0]), tuple(sorted(found[1].items())))


def noun(words: tuple[str, ...]) -> Unit | None:
    """What is counted, its last word in the singular; None where the words are no such name."""
    if not 1 <= len(words) <= 3:
        return None
    *before, last = (word.lower() for word in words)
    if any(word in NOT_NOUNS or not word.isalpha() for word in (*before, last)):
        return None
    singular = IRREGULAR.get(last) or _singular(last)
    if singular is None and len(last) < 3:
        return None
    return Unit(noun=(*before, singular or last), counted=singular is not None)


def _singular(word: str) -> str | None:
    if len(word) < 4:
        return None
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "sses", "xes", "zes", "oes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) else None
