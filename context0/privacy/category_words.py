"""English words and two-word phrases that tell that a message touches a sensitive category."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from context0.privacy.report import SensitiveCategory

_WORDS: Final[Mapping[SensitiveCategory, str]] = MappingProxyType(
    {
        "health": """diagnosed diagnosis prognosis cancer tumor tumour chemotherapy chemo leukemia lymphoma melanoma
        diabetes diabetic insulin asthma epilepsy epileptic migraine migraines hiv hepatitis covid pneumonia arthritis
        depression antidepressant antidepressants bipolar schizophrenia psychosis anorexia bulimia adhd autism autistic
        ptsd ocd dementia alzheimer's alzheimers parkinson's parkinsons stroke seizure seizures miscarriage pregnant
        pregnancy abortion infertility ivf menopause psychiatrist psychologist therapist oncologist cardiologist
        dermatologist gynecologist gynaecologist urologist neurologist biopsy mri dialysis rehab detox overdose
        alcoholic suicidal suicide sertraline prozac xanax ritalin metformin hypertension cholesterol allergies
        celiac coeliac eczema psoriasis endometriosis wheelchair disability disabled""",
        "genetics": "dna genome genetic genetics brca brca1 brca2 fingerprint biometric biometrics genotype",
        "sexuality": """gay lesbian bisexual transgender nonbinary non-binary queer heterosexual homosexual asexual
        pansexual lgbt lgbtq lgbtqia sexuality polyamorous libido viagra""",
        "religion": """christian catholic protestant evangelical orthodox muslim islam islamic jewish judaism hindu
        hinduism buddhist buddhism sikh atheist agnostic mormon mosque synagogue baptized baptised ramadan eucharist
        rosary quran koran torah bar-mitzvah communion""",
        "politics": """republican republicans democrat democrats socialist communist libertarian labour tory tories
        conservatives marxist anarchist bundestag afd spd cdu brexit trump biden ballot referendum""",
        "ethnicity": """ethnicity ethnic latino latina latinx hispanic roma romani sinti aboriginal indigenous
        african-american asian-american afro-caribbean biracial mixed-race undocumented refugee""",
        "union": "unionized unionised unionize unionise unionizing unionising shop-steward picketing",
        "legal": """convicted conviction felony misdemeanor misdemeanour parole probation arrested indicted indictment
        subpoena lawsuit prosecuted prosecutor imprisoned jail prison incarcerated custody divorce alimony restraining
        bail dui shoplifting defendant""",
        "finance": """salary mortgage bankruptcy bankrupt overdraft debts foreclosure repossessed creditor creditors
        payday garnished savings payslip payslips indebted""",
        "minors": "toddler newborn kindergarten kindergartner preschool preschooler kindergartener underage minors",
    }
)
_PHRASES: Final[Mapping[SensitiveCategory, str]] = MappingProxyType(
    {
        "health": """panic attack|panic attacks|mental health|heart attack|blood pressure|blood test|blood sugar|
        eating disorder|my therapy|sick leave|medical history|chronic pain|my doctor|sleep apnea|birth control|
        test results|kidney disease|lyme disease|crohn's disease""",
        "genetics": "face scan|iris scan|hereditary disease|family carrier|dna test|gene test",
        "sexuality": "sexual orientation|sex life|coming out|came out|sexually active|gender identity|one-night stand",
        "religion": """sunday mass|my church|our church|bible study|my faith|jehovah's witness|holy communion|
        my rabbi|my imam""",
        "politics": """voted for|vote for|political party|labour party|green party|far right|far left|party member|
        election campaign|my politics""",
        "ethnicity": "skin color|skin colour|ethnic background|racial background|native american|my tribe|mixed race",
        "union": "trade union|labor union|labour union|union member|union rep|union dues|works council|shop steward",
        "legal": """criminal record|court hearing|court date|custody battle|restraining order|plea deal|police record|
        my lawyer|my attorney|on parole|on bail|drunk driving""",
        "finance": """credit score|credit history|bank balance|bank account|net worth|tax return|student loan|
        student loans|in debt|my debt|child support|annual income|my income|my pension|late payments""",
        "minors": """my toddler|my newborn|my kids|our kids|my baby|my grandson|my granddaughter|primary school|
        elementary school|middle school""",
    }
)


def _table(lists: Mapping[SensitiveCategory, str], separator: str | None) -> Mapping[str, SensitiveCategory]:
    return MappingProxyType(
        {" ".join(word.split()): category for category, text in lists.items() for word in text.split(separator)}
    )


WORDS: Final = _table(_WORDS, None)
PHRASES: Final = _table(_PHRASES, "|")
PHRASE_STARTS: Final = frozenset(phrase.split()[0] for phrase in PHRASES)
