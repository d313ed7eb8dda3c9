"""The sentences that the synthetic conversations are made of: pure data, filled in by `dataset`.

Each topic has statements (what somebody says) and questions (how somebody else asks for it later, in other words).
The names of speakers and of people spoken about are disjoint, and no question names a speaker.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topic:
    statements: tuple[str, ...]
    questions: tuple[str, ...]


SPEAKERS = (
    *("Anna", "Boris", "Carla", "Deniz", "Elena", "Farid", "Greta", "Hugo", "Irina", "Jonas", "Katja", "Liam", "Maya"),
    *("Nadia", "Oscar", "Petra", "Quentin", "Rosa", "Samir", "Tessa", "Umberto", "Vera", "Wanda", "Xavier", "Yara"),
)
PEOPLE = (
    *("Alice", "Benedict", "Charlotte", "Dominic", "Esther", "Felix", "Gloria", "Henrik", "Isabel", "Jasper", "Kim"),
    *("Leonie", "Marcus", "Nora", "Olivier", "Paula", "Raphael", "Sophie", "Tobias", "Ursula", "Victor", "Wendy"),
    *("Yusuf", "Zoe", "Adele", "Bruno", "Cecilia", "Diego", "Edith", "Frank", "Gwen", "Harold", "Ingrid", "Joel"),
)
CITIES = (
    *("Munich", "Lisbon", "Kyoto", "Bergen", "Toronto", "Seville", "Ghent", "Ljubljana", "Porto", "Hanoi", "Austin"),
    *("Cork", "Zagreb", "Lyon", "Krakow", "Turin", "Malmö", "Tallinn", "Valencia", "Basel", "Leipzig", "Osaka"),
    *("Marrakesh", "Cusco", "Bristol", "Gothenburg", "Antwerp", "Bologna", "Nantes", "Riga", "Graz", "Montreal"),
)
THINGS = (
    *("a second-hand cello", "an electric bike", "a cast-iron pan", "a telescope", "a sewing machine", "a red sofa"),
    *("a film camera", "a pair of hiking boots", "a drone", "a pottery wheel", "a kayak", "a bookshelf", "a tent"),
    *("an espresso machine", "a standing desk", "a fountain pen", "a greenhouse", "a record player", "a climbing rope"),
)
FOODS = (
    *("mushroom risotto", "lentil soup", "sourdough bread", "pad thai", "plum cake", "shakshuka", "fish tacos"),
    *("pumpkin gnocchi", "ramen", "apple strudel", "paella", "dal", "ceviche", "spinach lasagne", "carrot halwa"),
)
HOBBIES = (
    *("bouldering", "watercolour painting", "choir singing", "bird watching", "salsa dancing", "fencing", "beekeeping"),
    *("chess", "open-water swimming", "woodcarving", "improv theatre", "archery", "astronomy", "trail running"),
)
BOOKS = (
    *("The Left Hand of Darkness", "Middlemarch", "Kindred", "The Leopard", "Pachinko", "Piranesi", "Stoner"),
    *("The Master and Margarita", "Beloved", "Austerlitz", "The Dispossessed", "Housekeeping", "Circe", "Dune"),
)
JOBS = (
    *(
        "data engineer",
        "school librarian",
        "paediatric nurse",
        "landscape architect",
        "sound technician",
        "pastry chef",
    ),
    *("tax adviser", "wildlife photographer", "tram driver", "museum curator", "physiotherapist", "patent lawyer"),
)
PETS = ("tabby cat", "greyhound", "cockatiel", "rescue donkey", "tortoise", "beagle", "pair of guinea pigs", "parrot")
LEADS = ("", "", "", "By the way, ", "Honestly, ", "You know what, ", "Guess what, ", "Good news: ", "To be fair, ")
TAILS = (
    *("", "", "", " and I am still tired", " which surprised everyone", " so wish me luck", " after all these months"),
    *(" and it was worth it", " in spite of the rain", " for the first time ever", " even though money is tight"),
)

TOPICS = (
    Topic(
        ("{lead}I moved to {city} on {day} and {person} helped me carry {thing}{tail}.",),
        ("Who lent a hand when the flat in {city} was taken over?", "When did the move to {city} happen?"),
    ),
    Topic(
        ("{lead}I bought {thing} from {person} on {day} for {number} euros{tail}.",),
        ("How much was paid to {person} for {thing}?", "From whom did {thing} come?"),
    ),
    Topic(
        ("{lead}I started working as a {job} in {city} on {day}{tail}.",),
        ("What is the new profession in {city}?", "Since when has there been a job as a {job}?"),
    ),
    Topic(
        ("{lead}{person} and I cooked {food} for {number} guests on {day}{tail}.",),
        ("What did the visitors get to eat when {person} was in the kitchen?", "How many people ate the {food}?"),
    ),
    Topic(
        ("{lead}my sister {person} is getting married in {city} on {day}{tail}.",),
        ("Where will {person} have her wedding?", "On which date is the family celebrating in {city}?"),
    ),
    Topic(
        ("{lead}I have taken up {hobby} with {person}, every week since {day}{tail}.",),
        ("Which pastime is shared with {person}?", "Who comes along to {hobby}?"),
    ),
    Topic(
        ("{lead}I finished reading {book} on the train to {city}, {person} had lent it to me{tail}.",),
        ("Whose copy of {book} was it?", "What was the novel on the way to {city}?"),
    ),
    Topic(
        ("{lead}we adopted a {pet} called {person} from the shelter in {city}{tail}.",),
        ("What kind of animal is {person}?", "Where did the {pet} come from?"),
    ),
    Topic(
        ("{lead}the doctor in {city} says that I must avoid {food} until {day}{tail}.",),
        ("Which dish is forbidden for health reasons?", "How long does the diet without {food} last?"),
    ),
    Topic(
        ("{lead}my flight to {city} was cancelled on {day} and {person} picked me up by car{tail}.",),
        ("Who came to the rescue when the plane to {city} did not leave?", "What went wrong with the trip to {city}?"),
    ),
    Topic(
        ("{lead}{person} gave me {thing} for my birthday and I nearly cried{tail}.",),
        ("What was the present from {person}?", "Who was so generous and brought {thing}?"),
    ),
    Topic(
        ("{lead}I signed up for a course in {hobby} at the community centre of {city}, it begins on {day}{tail}.",),
        ("When do the lessons in {hobby} start?", "Where can one learn {hobby}?"),
    ),
    Topic(
        ("{lead}{person} got promoted, she is the head {job} in {city} now{tail}.",),
        ("How has the career of {person} gone on?", "What position is held by {person}?"),
    ),
    Topic(
        ("{lead}I ran {number} kilometres through {city} with {person} on {day}{tail}.",),
        ("How far was the run in {city}?", "Who was the running partner on {day}?"),
    ),
    Topic(
        ("{lead}I prefer {food} over everything else, {person} makes the best one in {city}{tail}.",),
        ("What is the favourite meal?", "Where does {person} serve that wonderful {food}?"),
    ),
    Topic(
        ("{lead}our neighbour {person} broke {thing} and promised to pay {number} euros by {day}{tail}.",),
        ("What damage was done by {person}?", "How high is the debt for {thing}?"),
    ),
    Topic(
        ("Did you hear that {person} left {city} to become a {job}? It was on {day}{tail}.",),
        ("Why did {person} go away?", "Who gave up everything for a life as a {job}?"),
    ),
    Topic(
        ("{lead}the concert in {city} on {day} was sold out, {person} still found {number} tickets{tail}.",),
        ("How many seats were obtained for the show in {city}?", "Who managed to get into the sold-out evening?"),
    ),
)
