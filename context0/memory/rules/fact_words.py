"""The vocabulary of facts: people, pets, jobs, languages, sports, possessions and diets, all lower case."""

from types import MappingProxyType

from context0.memory.rules.word_set import word_set

# --- people, by what they are to somebody; the values are the roles that relations carry
_SAME_ROLES = word_set("""
mother father sister brother sibling twin son daughter child stepmother stepfather stepsister stepbrother stepson
stepdaughter grandmother grandfather grandson granddaughter aunt uncle cousin niece nephew godmother godfather
mother-in-law father-in-law sister-in-law brother-in-law son-in-law daughter-in-law wife husband spouse partner
boyfriend girlfriend fiance boss manager supervisor mentor colleague coworker teammate roommate flatmate housemate
neighbour friend teacher tutor coach therapist dentist landlord landlady classmate assistant client parents
grandparents
""")
ROLES = MappingProxyType(
    {role: role for role in _SAME_ROLES}
    | {
        **dict.fromkeys(("mum", "mom", "mama", "mommy", "mummy"), "mother"),
        **dict.fromkeys(("dad", "papa", "daddy"), "father"),
        **dict.fromkeys(("fiancé", "fiancée", "fiancee"), "fiance"),
        **dict.fromkeys(("grandma", "granny", "nana", "gran", "nan"), "grandmother"),
        **dict.fromkeys(("grandpa", "granddad", "grandad"), "grandfather"),
        **dict.fromkeys(("co-worker", "workmate"), "coworker"),
        **dict.fromkeys(("bestie", "bff"), "best friend"),
        **dict.fromkeys(("sis",), "sister"),
        **dict.fromkeys(("bro",), "brother"),
        **dict.fromkeys(("kid",), "child"),
        "buddy": "friend",
        "neighbor": "neighbour",
        "hubby": "husband",
    }
)
PLURAL_ROLES = MappingProxyType(
    {
        **{role + "s": role for role in _SAME_ROLES if not role.endswith(("s", "wife", "child"))},
        "wives": "wife",
        "children": "child",
        "kids": "child",
        "buddies": "friend",
        "neighbors": "neighbour",
    }
)
GROUPS = frozenset({"parents", "grandparents"})

# --- pets, by species
_SPECIES = word_set("""
dog cat hamster rabbit parrot goldfish turtle tortoise horse pony budgie canary ferret gecko lizard snake hedgehog
chinchilla cockatiel bunny fish bird chicken goat donkey rat mouse iguana
""")
PETS = MappingProxyType(
    {species: species for species in _SPECIES}
    | {
        **dict.fromkeys(
            word_set("""
puppy pup doggo labrador beagle poodle corgi dachshund retriever collie shepherd terrier bulldog husky spaniel pug
labradoodle greyhound dalmatian rottweiler
"""),
            "dog",
        ),
        **dict.fromkeys(("kitten", "kitty", "tomcat", "tabby"), "cat"),
        "bunny": "rabbit",
    }
)
PLURAL_PETS = MappingProxyType(
    {species + "s": kind for species, kind in PETS.items()}
    | {"puppies": "dog", "kitties": "cat", "bunnies": "rabbit", "mice": "mouse", "fish": "fish", "goldfish": "goldfish"}
)

# --- jobs: the last word of "a software engineer"
PROFESSIONS = word_set("""
accountant actor actress actuary administrator advisor agent analyst anaesthetist animator archaeologist architect
artist assistant astronaut astronomer attorney auditor author baker banker barber barista bartender biologist
blacksmith blogger bookkeeper botanist bricklayer broker builder butcher caregiver carer caretaker carpenter cashier
chef chemist choreographer clerk coach cobbler coder comedian composer conductor consultant contractor cook copywriter
counselor counsellor curator dancer dealer dentist dermatologist designer detective developer dietitian diplomat
director doctor driver economist editor electrician engineer entrepreneur epidemiologist estimator farmer filmmaker
firefighter fireman fisherman florist freelancer gardener geologist glazier goldsmith guard guide hairdresser handyman
historian illustrator inspector instructor interpreter janitor jeweller jeweler journalist judge lawyer lecturer
librarian lifeguard linguist locksmith machinist magician manager marketer mason massage masseur mathematician mechanic
meteorologist midwife minister model musician nanny neurologist novelist nurse nutritionist officer optician
optometrist orthodontist painter paralegal paramedic pastor pediatrician paediatrician pharmacist philosopher
photographer physicist physician physiotherapist pianist pilot plasterer plumber poet policeman policewoman politician
potter postman priest principal producer professor programmer psychiatrist psychologist publisher radiologist realtor
receptionist recruiter reporter researcher rigger roofer sailor salesman salesperson saleswoman scientist screenwriter
sculptor seamstress secretary singer soldier solicitor statistician stonemason stewardess student surgeon surveyor
sysadmin tailor teacher technician technologist tester therapist trainer translator treasurer trader tutor upholsterer
veterinarian vet vicar violinist waiter waitress warden watchmaker weaver welder writer youtuber zookeeper zoologist
carpenter postdoc intern apprentice trainee ceo cto cfo founder co-founder cofounder lead paediatrist vlogger
bookseller beekeeper winemaker brewer bodyguard dispatcher stylist beautician cleaner housekeeper handler planner
strategist administrator superintendent supervisor
""")

LANGUAGES = word_set("""
afrikaans albanian amharic arabic armenian azerbaijani basque belarusian bengali bosnian breton bulgarian burmese
cantonese catalan chinese croatian czech danish dutch english esperanto estonian farsi finnish flemish french frisian
galician georgian german greek gujarati hausa hawaiian hebrew hindi hungarian icelandic igbo indonesian irish italian
japanese javanese kannada kazakh khmer korean kurdish kyrgyz lao latin latvian lithuanian luxembourgish macedonian
malay malayalam maltese mandarin maori marathi mongolian nepali norwegian pashto persian polish portuguese punjabi
quechua romanian russian samoan sanskrit serbian sinhala slovak slovene slovenian somali spanish swahili swedish
tagalog tamil telugu thai tibetan turkish ukrainian urdu uzbek vietnamese welsh xhosa yiddish yoruba zulu
""")
NATIONALITIES = (LANGUAGES - word_set("latin sanskrit esperanto cantonese mandarin farsi")) | word_set("""
american argentinian australian austrian belgian brazilian british canadian chilean colombian cuban dutch egyptian
ethiopian filipino ghanaian indian iranian iraqi israeli jamaican kenyan lebanese mexican moroccan nigerian pakistani
palestinian peruvian scottish senegalese singaporean swiss syrian taiwanese tunisian ugandan venezuelan
""")

# --- what is played: instruments, sports and games
PLAYED = word_set("""
accordion bagpipes banjo bass bassoon bongos cajon cello clarinet clavichord cornet drums dulcimer euphonium fiddle
flute guitar handpan harmonica harp harpsichord horn keyboard keyboards lute lyre mandolin marimba oboe organ percussion
piano piccolo recorder sax saxophone sitar tabla theremin timpani trombone trumpet tuba ukulele viola violin xylophone
badminton baseball basketball bowls bridge cards cello chess cricket croquet curling darts dodgeball football
footbag frisbee futsal go golf handball hockey kickball lacrosse netball padel paintball pickleball poker polo pool
quidditch rounders rugby scrabble shinty shogi snooker soccer softball squash tennis volleyball backgammon checkers
draughts dominoes mahjong solitaire sudoku dnd
""")

# --- what is worth owning
OWNED = word_set("""
accordion allotment apartment bakery banjo barn bicycle bike boat bookshop bungalow cabin cafe café camera campervan car
caravan cello chalet condo convertible cottage drone drums e-bike factory farm flat flute garage greenhouse guitar
gym harp house houseboat jeep kayak keyboard laptop lorry mobile motorbike motorcycle motorhome moped orchard piano
pickup plot restaurant salon saxophone scooter shop sailboat smartphone studio suv tablet telescope television tesla
trailer trumpet truck tv ukulele van vehicle villa vineyard violin yacht iphone ipad macbook playstation ps5 xbox
toyota honda bmw audi volvo volkswagen vw subaru mazda nissan porsche kia hyundai fiat renault peugeot
""")

DIETS = word_set("vegetarian vegan pescatarian pescetarian flexitarian carnivore omnivore fruitarian veggie")
DIETS_BESIDE = word_set(
    "gluten-free dairy-free sugar-free low-carb keto kosher halal paleo plant-based gluten-intolerant"
)
INTOLERANCES = word_set("lactose gluten fructose histamine")
AVOIDED = word_set("""
meat pork beef fish seafood shellfish gluten dairy eggs sugar nuts peanuts soy wheat cheese chicken lamb bread carbs
""")

# --- words around the head of a predicate that change nothing
ADVERBS = word_set("""
just really actually still also currently now finally recently absolutely totally completely truly definitely
certainly always usually often sometimes mostly mainly both even already simply honestly deeply genuinely kinda sorta
quite rather very so too especially only officially originally happily proudly basically secretly particularly
strongly dearly temporarily permanently newly eventually soon here primarily generally normally
personally presently obviously clearly severely highly super mildly extremely deathly
""")
LEADS = word_set("""
well oh hi hey hello yes no yeah yep nope ok okay so and but also actually anyway btw fyi honestly sorry please thanks
wow haha lol ah um hmm sure correction finally then now currently today recently lately yesterday nowadays basically
plus there all everyone again because although though while whereas as since great cool nice right alright look listen
indeed yup too guys folks personally thank you ps p.s til update edit obviously luckily unfortunately fortunately
""")
NEVER_PERSONS = word_set("""
people everyone everybody someone somebody nobody anyone anybody no-one mankind kids children folks everything
nothing something god jesus life love music work school today tomorrow yesterday wikipedia google
""")
NOT_PLACES = word_set("""
fear hope denial sin peace harmony poverty pain darkness silence here there it this that these those town me you us them
him her work bed tears home school class church college university linux windows macos android postgres postgresql mysql
mongodb kubernetes docker python rust vim emacs vscode slack teams github gitlab luxury misery exile squalor comfort
style hiding hell paradise abroad overseas upstairs downstairs outside inside away one two what which whatever
""")

COUNTRIES = word_set("""
afghanistan albania algeria argentina armenia australia austria azerbaijan bangladesh belarus belgium bolivia bosnia
brazil bulgaria cambodia cameroon canada chile china colombia croatia cuba cyprus czechia denmark ecuador egypt
england estonia ethiopia finland france georgia germany ghana greece guatemala haiti honduras hungary iceland india
indonesia iran iraq ireland israel italy jamaica japan jordan kazakhstan kenya kosovo kuwait laos latvia lebanon libya
liechtenstein lithuania malaysia mali malta mexico moldova mongolia montenegro morocco mozambique myanmar namibia nepal
netherlands nicaragua nigeria norway pakistan palestine panama paraguay peru philippines poland portugal qatar romania
russia rwanda scotland senegal serbia slovakia slovenia somalia spain sudan sweden switzerland syria taiwan tanzania
thailand tunisia turkey uganda ukraine uruguay us usa u.s u.s.a uk america venezuela vietnam wales yemen zambia zimbabwe
europe asia africa scandinavia bavaria california texas florida
""")

FAMILY = word_set("""
mother father sister brother sibling twin son daughter child stepmother stepfather stepsister stepbrother stepson
stepdaughter grandmother grandfather grandson granddaughter aunt uncle cousin niece nephew wife husband spouse partner
boyfriend girlfriend fiance roommate flatmate housemate
""")
FAITHS_AND_SIGNS = word_set("""
catholic christian protestant muslim jewish buddhist hindu sikh mormon orthodox atheist lutheran aries taurus gemini
cancer leo virgo libra scorpio sagittarius capricorn aquarius pisces aries republican democrat gryffindor slytherin
hufflepuff ravenclaw team gen mr mrs ms
""")
NUMBERS = MappingProxyType(
    {
        word: number
        for number, word in enumerate(
            (
                *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
                *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
            ),
            start=1,
        )
    }
    | {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
)
