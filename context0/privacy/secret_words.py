"""The words that announce a secret, as alternatives of a pattern, and those that are none after them."""

from typing import Final

NAMES_OF_PASSWORDS: Final = (
    "passwords?|pass(?=[:=])|passwd|passphrase|passcode|passwort|kennwort|pwd|mot de passe|contraseña|clave|senha|"
    "wachtwoord|hasło|пароль"
)
NAMES_OF_CODES: Final = (
    "pin|pin[ -]?code|pin number|cvv2?|cvc2?|security code|one[ -]time (?:code|password|passcode)|otp|"
    "verification code|login code|2fa code|unlock code|entry code|door code|alarm code"
)
NAMES_OF_KEYS: Final = (
    "(?:api|access|secret|private|auth|signing|encryption|account|subscription|license|licence|service|master|shared|"
    "hmac)[ _-]?key|"
    "(?:(?:access|auth|refresh|bot|api|id|personal|session|bearer|csrf|deploy|security)[ _-]?)?token|"
    "(?:(?:client|app|api|shared|webhook|consumer)[ _-]?)?secret|credentials?"
)
_ORDINARY_WORDS: Final = """
    about again also always another available bad better blank broken case circle classic common compatible complex
    confidential correct critical different easy empty enough essential everything everywhere expired fine forgotten
    free gone good great hard here hidden hint important impossible incorrect invalid just known lame leaked like
    long longer lost mandatory mine missing moot needed never nothing obvious obsolete okay old only open optional
    our out outdated over please policy predictable private public random really recovery required reset right safe
    same sacred secret secure see sensitive shared short simple somewhere soon still strong stupid stolen terrible
    that their them there this those too trivial unknown unique useless user username valid very visible wait weak
    when where which with working wrong yours zero admin's changed hashed everyone's one
"""
ORDINARY_WORDS: Final = frozenset(_ORDINARY_WORDS.split())
"""What is said about a password: "my password is wrong"."""
