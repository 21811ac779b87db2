"""Amounts: integers in the minor unit that ISO 4217 gives a currency, and the gateway's own idea of it.

1. An amount is an integer above zero in ISO 4217 minor units: 2990 EUR is 29.90 euro, 500 JPY is 500 yen, 1500 KWD is 1.500 dinar.
2. Nothing is ever multiplied by 100 because "money has cents": the yen has none, the Kuwaiti dinar has a thousand.
3. The gateway counts three currencies differently from ISO 4217 (`_FACTORS`), and cards cannot pay the last digit of three-decimal ones.
   An amount that cannot be told exactly is refused, never rounded. Source: the gateway's page on currencies.
"""

from fractions import Fraction
from typing import Any

from .errors import PaymentInvalidError

_TWO = (
    "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC CUP CVE CZK DKK DOP"
    " DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR"
    " LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB"
    " SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD XCG YER"
    " ZAR ZMW ZWG"
)
_ZERO = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF"
_THREE = "BHD IQD JOD KWD LYD OMR TND"
DECIMALS = dict.fromkeys(_TWO.split(), 2) | dict.fromkeys(_ZERO.split(), 0) | dict.fromkeys(_THREE.split(), 3)
"""Decimals of every active ISO 4217 currency that people pay in."""
_FACTORS = {"ISK": Fraction(100), "UGX": Fraction(100), "MGA": Fraction(1, 100)}
"""Gateway units in one ISO 4217 minor unit, where it is not one."""


def checked_currency(value: Any) -> str:
    """An ISO 4217 code in capitals; `PaymentInvalidError`."""
    code = value.upper() if isinstance(value, str) else None
    if code not in DECIMALS:
        raise PaymentInvalidError(problem=f"currency: expected an ISO 4217 code like EUR, got {value!r}")
    return code


def checked_amount(value: Any) -> int:
    """An amount in minor units; `PaymentInvalidError` for a fraction, text, zero or less."""
    if isinstance(value, bool) or not isinstance(value, int) or value <= 0:
        problem = f"amount: expected an integer above 0 in the currency's minor unit (2990 for 29.90 EUR), got {value!r}"
        raise PaymentInvalidError(problem=problem)
    return value


def to_gateway(amount: int, currency: str) -> int:
    """The amount as the gateway counts; `PaymentInvalidError` where it cannot be told exactly."""
    units = amount * _FACTORS.get(currency, Fraction(1))
    if units.denominator != 1:
        problem = f"amount: {written(amount, currency)} has a fraction, which the gateway cannot collect in {currency}"
        raise PaymentInvalidError(problem=problem)
    if DECIMALS[currency] == 3 and units % 10:
        problem = (
            f"amount: {written(amount, currency)} must end in 0: cards cannot pay a thousandth of {currency}"
        )
        raise PaymentInvalidError(problem=problem)
    return int(units)


def from_gateway(units: int, currency: str) -> int:
    """The gateway's number as ISO 4217 minor units; what is below one unit is dropped."""
    return int(units / _FACTORS.get(currency.upper(), Fraction(1)))


def written(amount: int, currency: str) -> str:
    """The amount for people: `29.90 EUR`, `500 JPY`."""
    decimals = DECIMALS.get(currency, 2)
    whole, rest = divmod(amount, 10**decimals)
    return f"{whole}.{rest:0{decimals}d} {currency}" if decimals else f"{whole} {currency}"
