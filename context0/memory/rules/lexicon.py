"""English words that are written with a capital without being a name.

NEVER_NAMES never are one (pronouns, greetings, chat acronyms, weekdays); COMMON are ordinary words that only say
nothing when a sentence begins with them: "Great, thanks" against "The Great Wall".
"""

from context0.memory.rules.word_set import word_set

_PRONOUNS_AND_GRAMMAR = """
a about above across actually after afterwards again against ago ah aint all almost already also although always am
amid among an and another any anybody anymore anyone anything anyway anyways anywhere apparently are aren arent around
as aside at away back basically be because been before behind being below beside besides between beyond both but by
can cannot cant certainly clearly could couldn couldnt currently definitely despite did didn didnt do does doesn
doesnt doing don done dont down due during each eight either else elsewhere enough especially even eventually ever
every everybody everyone everything everywhere exactly except few finally first firstly five for fortunately four
frankly from further generally gonna gotta had has hasn hasnt have haven havent having he hence her here heres hers
herself him himself his honestly hopefully how however hows i if im in indeed inside instead into is isn isnt it its
itself ive just kinda lately later least less let lets like likely literally lots luckily many may maybe me meanwhile
might mine more moreover most mostly much must my myself namely near nearly neither never nevertheless next nine no
nobody none nonetheless nor not nothing now nowadays nowhere obviously occasionally of off often on once one ones only
onto or other others otherwise our ours ourselves out outside over overall own particularly perhaps personally please
plus possibly presently previously probably quite rather really recently regarding regardless same second secondly
seriously seven several shall she should shouldn similarly simply since six so some somebody somehow someone something
sometimes somewhere soon sorta specifically still such suddenly sure surely ten than that thats the their theirs them
themselves then there therefore theres these they theyre third thirdly this those though three through throughout thus
till to today together tomorrow tonight too totally toward towards truly twice two under unfortunately unless unlike
until up upon us usually very via wanna was wasn wasnt we well were what whatever whats when whenever where wheres
wherever whether which whichever while who whoever whom whos whose why will with within without won wont would wouldn
wouldnt yesterday yet you your youre yours yourself yourselves youve
"""

_GREETINGS_AND_SOUNDS = """
absolutely aha ahem ahh alas alright amen anytime aw aww awww awwww bah bam betcha bingo boo boom bravo bro bruh
bummer bye cheers chill cmon congrats congratulations cool damn dang dear dude duh dunno eek eh ew eww exactly
farewell fiddlesticks gee gees geez gimme goodbye goodness gosh gotcha great greetings ha hah haha hahah hahaha heh
hehe hello hey heya hi hiya hm hmm hmmm hooray howdy huh hurrah hurray jeez kudos lemme lmao lol maam man mate meow
mhm mmm morning nah namaste nay nice nope nuh-uh oh ohh ok okay oof ooh oooh oops ouch ow pfft phew please pleasure
psst rofl sheesh shh sir somewhat sorry sup sure ta tada thank thanks thx tsk ty ugh uh uh-huh uh-oh uhh uhm um umm
voila wait welcome whaddya whew whoa woah woo woo-hoo woof woohoo wow wowza ya yall yay yay-yay yea yeah yeap yep yes
yikes yippee yo yuck yum yummy yup
"""

_ACRONYMS_OF_CHAT = """
aka am asap atm bbl bf bff brb btw cc diy dm etc faq fomo ft fwiw fyi gf gg gtg hmu icymi idc idk iirc ikr imho imo
irl jk kg km lb lmk mb mm ms nb nbd np nsfw nvm omg omw pic pics pls plz pm ps pst rip rn rsvp smh tba tbd tbh tbt
tgif tldr tmi ttyl tv vs wfh wtf yolo
"""

CALENDAR_WORDS = word_set("""
apr april aug august dec december feb february fri friday fridays jan january jul july jun june mar march may mon
monday mondays nov november oct october sat saturday saturdays sep sept september sun sunday sundays thu thur thurs
thursday thursdays tue tues tuesday tuesdays wed wednesday wednesdays
""")

_COMMON = """
ability absolutely abstract academic accept access accident account accuracy achieve acknowledge act action active
activity actor actress adapt add adding additional address adjust adult advanced adventure advice afraid afternoon age
agenda agree agreed ahead aim air airport alarm album align allergy allocate allow alone along altitude amaze amazed
amazing amount analyse analysis analyze ancient anger angle angry animal answer anticipate anxious apart apartment app
appetite apple application apply appreciate approach area argue arm army arrange arrive art article artist artwork ask
asleep assess assign assume attempt attend audience aunt auntie author automatic autumn available average avocado
avoid awake award aware awesome awful awkward baby background bacon bad badly bag bake bakery balance balanced ball
balloon banana band bank bar bare bark base baseball basic basics basket basketball bat bath bathroom battle beach
bean beans bear beat beautiful beauty bed bedroom bedtime bee beef beer beg begin beginner behave belief believe bell
belong bench benefit best bet better bicycle big bigger bike bill billion biology bird birth birthday bit bite bitter
black blame blanket bless blessed blood bloom blue board boat body bold bonus book bookstore boot boots bored boring
born borrow boss bottle bottom bounce bowl bowling box boxing boy boyfriend brain brave bread break breakdown
breakfast breath breathe breed breeze bride bridge brief bright brilliant bring broke broken brother brown brunch
brush buddy budget bug build builder building bullet bunch burger burn bus bush business busy butter button buy cabin
cafe cake calculate calendar call calm camera camp campfire cancel candle candy canvas capture car card cardio care
career careful carpet carrot carry cartoon case cash cast castle cat catch category cause cautious celebrate cell
center central ceramic ceramics certain certificate chain chair challenge champion chance change chapter character
charge charity charm chart chase chat cheap check checklist cheer cheerful cheese chef chemistry cherish chess chicken
child childhood children chip chips chocolate choice choices choir choose chore church cinema circle circus citation
city claim clarify clarity class classic classical classmate clay clean clear clever click client climate climb clinic
clock close closet cloth clothes cloud cloudy club clue coach coast coat cocktail code coffee cold collaborate
collection college color colors colour column comb combine come comedy comfort comfy comic comics comment commit
common communicate community company compare comparison compete complain complete computer concert concise conclude
conclusion condition conditional conduct conference confidence confident configure confirm connect connection consider
consist consistency consult contact container contemporary content contest context continue contrast control
conversation convert cook cookbook cookie cookies coordinate copy corn corner correct cost costume cottage cotton
couch cough council count country couple courage course court cousin cousins cover cow coworker cozy craft crafts
crafty crash crazy cream create creative creature credit crew crisis critic crochet crop cross crowd crown cruise
crush cry cuddle culture cup cure curious current curry curtain custom customer cut cute cycle dad daddy daily dairy
damage dance dancer danger dare dark darling dash data database date daughter dawn day days deadline deal dealt death
debate debt debug decade decent decide decision deck dedicate deep deer default defeat define delay delegate delete
delicious delight deliver deliverable demand demonstrate dentist depend deploy depth describe description desert
deserve design designer desire desk dessert destination destress detail determine determined develop device diagram
diet difference different difficult difficulty dig dinner direct director dirt dirty disagree disappoint discover
discuss disease dish display disturb dive divide doctor document dog doggy doll dollar domestic donate donation door
double doubt dough download downtown dozen draft drag drama draw dread dream dreams dress drink drive driver drop drum
drums dry duck dust duty dye dynamic each eager ear early earn earth ease easier easily east easy eat edge edit editor
educate education effect efficiency effort egg eggs elder elderly election electric elegant elephant elevate else
email embrace emergency emotion emotional empathy emphasis employ employee empty enable encourage end endless
endorsement enemy energy engage engine engineer engineering enhance enjoy enjoyed enormous enroll ensure enter
enthusiasm entire entry environment envy epic equal equipment error escape essay essential establish evaluate evening
event evidence evil exam example excellent except exception exchange excited excitement execute exercise exhibit
exhibition exist expand expect expense expensive experience expert expertise explain explore expose express extra
extract extreme eye eyes fabric fabulous face facilitate fact factor factory fail failure fair fairy faith fake fall
fam fame familiar family famous fan fancy fantastic fantasy far farm farmer fashion fast fasten fat father fault fave
favorite favourite fear feast feature feed feedback feel feelings fellow female festival fetch fever fiction field fig
fight figure file fill film filter final finance find fine finger finish fire fireplace fish fishing fit fitness fix
flag flame flash flat flavor flavour flexible flight floor flour flow flower flowers fluffy fly focus fold folk folks
follow food foot football force forest forever forget forgive fork form format former formula forward foster found fox
frame framework free freedom freelance fresh friend friendly friends friendship frog fruit fruits fuel fulfil full fun
function fund fundraiser funny furniture furry furthermore future gadget gain gallery game games gaming gap garage
garbage garden gardens garlic gas gather general generate generous genius gentle genuine get gift gifts gig girl
girlfriend girls give given glad glass glasses glimpse global glove glow go goal goals goat god gold golden golf gone
good gorgeous got government grab grade gradually graduate grain grammar grand grandfather grandma grandmother grandpa
grandparents granny grant grape graph graphic grass grateful gratitude gravity gray green grey grief grill grocery
gross ground group groups grow growth guard guess guest guests guidance guide guilt guitar guy guys gym habit hair
half hall hand handle handmade hands handy hang happen happiness happy hard hardly harmony harsh hat hate haul head
header heading heal health healthy hear heart hearts heat heaven heavy height hell help helpful hero hesitate hide
high highlight highly highschool hike hill hint hire historic history hit hobbies hobby hockey hold hole holiday
holidays home homemade homework honest honesty honey honor honour hook hope horrible horror horse horses hospital host
hot hotel hour hours house household hug huge hugs human humans humor humour hundred hunger hungry hunt hurry hurt
husband ice idea ideal ideas identify identity ill image imagine impact implement implementation import important
impossible impress impressed impressive improve inch include income incorporate increase incredible incredibly
independent indoor industry influence inform initial injury inner innocent insane insect insert inspect inspiration
inspire inspired install instance instant instructor instrument insurance integrate intense interest interested
internet interview intro introduce introduction invalid invest invite invited island issue issues item items iterate
jacket jail jam jazz jealous jeans jewelry job jobs jog join joke jokes journal journalism journey joy judge judo
juggle juice jump jungle junior karate kayak keep kept ketchup key keyboard keys keyword kick kid kidding kiddo kids
kill kind kindness king kiss kit kitchen kite kitten kitty knee knife knit knock know knowledge known lab label lack
lady lake lamp land landscape language languages laptop large last late laugh laughter laundry law lawyer layer layout
lazy lead leader leadership leaf league learn learnt leave lecture left leg legal legend lemon lend lesson lessons
letter lettuce level leverage liberty library license lie life lifelong lift light lighten lighting lights likewise
limit line link lion lip list listen literature little live lively living loan local location lock log logic login
lonely long look looks loop loose lord lose loss lost lot loud lounge love loved lovely lover loves low loyal luck
lucky lunch luxury machine mad magazine magic magical mail main maintain major make makeup male mall manage manager
mango manner map marathon marble march margin mark market marriage married marry martial mask mass massage massive
master match material math maths matter mattress mayor meal meals mean means measure meat mechanic medal media median
medical medicine meditate medium meet meetup member members memories memory men mental mentor mentors menu mercy merry
mess message metal method methodology metric mid middle midnight migrate mild milestone milestones military milk
million mind mindful mine mini minor minute minutes miracle mirror miss mission mistake mix mobile model modern mom
moment moments mommy money monitor monkey month monthly months mood moon moral mostly mother motivate motivated
motivation motor mountain mountains mouse mouth move moved movie movies mud mug multiple mum mumble muscle museum
mushroom music musical musician mutual mystery nail name names nap napkin narrow nasty nation national native natural
nature navigate neat necessary neck necklace need needs negative negotiate neighbor neighbors neighbour nephew nerve
nervous nest net network neutral new news newspaper nicely nicer niece night nightmare nights noise noodle noodles
noon normal normally north nose note notebook noted notes notice novel novels number numbers nurse nursery nursing nut
nuts object objective observe obsessed obstacle obtain obvious ocean odd offer office officer official oil old older
olive one-on-one online open opening opera opinion opportunity oppose optimise optimize option optional options orange
orchestra order ordinary organ organic organize origin original outcome outdoor outdoors outfit outline oven overcome
oversaw oversee overview overwhelmed owe owl owner pace pack packed page pages pain paint painted painter paintings
pair palace pale pan pancake pancakes panel panic pants paper parade paragraph parameter parent parents park parking
parks parse part participate partner parts party pass passion passionate past pasta path patience patient patio
pattern pause pay peace peaceful peach peak pear peer pen pencil people pepper perfect perfectly perform performance
period permit person personal personality perspective pet pets phase phone photo photography photos phrase physical
physics piano pick pickle picnic picture pictures pie piece pieces pierce pig pile pillow pilot pin pink pipe pitch
pizza place places plain plan plane planet plans plant plants plastic plate platform play player playlist plays
pleasant pleased plenty plot plug plum pocket podcast podcasts poem poems poet poetry point police policy polite
politics pond pool poor pop popcorn popular porch portfolio positive possible post pot potato potential pottery pound
pour power powerful practical practice praise pray prayer precious prefer pregnant prep preparation prepare present
president press pressure pretty prevent price pride prince princess principal print prior priority prison privacy
private prize pro probability problem problems process produce producer product profession professional professor
profile profit program programmer programming progress project projects promise promote prompt proof proofread proper
property propose props protect protein proud prove proven provide public pull pump pumpkin punch puppies puppy
purchase pure purple purpose purse push put puzzle puzzles qualify quality quantify quarter queen query quest question
questions queue quick quickly quiet quietly quilt quit quote quotes rabbit race racing radio rain rainbow rainy raise
random range rapid rare rarely rate ratio raw reach react read reader ready real reality realize reason reasons recall
recap receive recent recipe recipes recommend record records recover recovery red reduce refer reference refine
reflect refresh refreshing register regret regular regularly rehearsal rehearse relate relationship relationships
relax relaxed relief relieve remember remembering remind remote remove render renew rent repair repeat replace reply
report represent request require rescue research resilience resort resource respect respond response rest restaurant
result results resume retire return reunion reveal review revise revisit reward rewarding rewrite rhythm rice rich
ride right ring ripe rise risk river road roadtrip roast robot rock rocket rocks role roll romance romantic roof room
roommate root rope rose rough round routine row royal rude rugby ruin rule rules run runner rural rush sad sadly safe
safety said sail salad salary sale sales salmon salon salsa salt sample sand sandwich satisfied sauce sausage save
savings saw say says scale scan scare scared scary scatter scenery schedule scheme school science scientist scope
score scream screen script sculpture sea search season seat secret section secure see seed seeds seeing seek seem
seems seen select self self-care sell semester send senior sense separate series serious serve service services
session set setback settle setup sew shade shadow shake shame shape share shared sharp shed sheep sheet shelf shell
shelter shift shine ship shirt shock shoe shoes shoot shop shops short shot shots shoulder shout show shower shows
shut shy sibling siblings sick side sight sign signal silence silent silk silly silver similar simple simplify
simulate sing singer single sink sis sister sisters sit site situation size skate sketch ski skill skills skin skip
sky slay sleep sleepy slice slide slight slim slip slow slowly small smart smell smile smiles smoke smooth snack
snacks snake snow snowboard snowy soap soccer social society sock socks soda sofa soft software soil solar soldier
solid solo solution solve song songs sore sorrow sort soul sound sounds soup source south souvenir space spaghetti
spare speak speaker special specialist specific specification specify speech speed spell spend spice spicy spider
spill spin spirit spirits spiritual split spoil spoon sport sports spot spread spring square stack staff stage stairs
stamp stand standard star stare stars start started state statement station statue status stay stayed steady steak
steal steel step steps stereotype stick stir stock stomach stone stones stop storage store stories storm story
storytelling straight strange stranger strategy straw strawberry stream street strength strengths stress stressed
stretch strict strike string strings strong structure struggle student students studio study stuff stupid style
subject submit substitute success successful sudden suffer sugar suggest suggestion suit suite summarise summarize
summary summer sun sunlight sunny sunrise sunscreen sunset sunsets super superhero supper supply support supportive
suppose supposed surf surface surgery surprise surprised surprisingly surround survey survive sushi suspect swap sweat
sweater sweet sweetie sweets swim swimmer swing switch symbol sympathy system table tackle taco tacos tail tailor take
taken takes tale talent talented talk tall tank tap tape target task taste tasty tattoo taught tax taxi tea teach
teacher teachers team teammate teams teamwork tear tears tech technique technology teen teenager teens teeth telescope
tell temperature template temple temporary tend tennis tent term terrible terrific test testimonial testing text
texture thankful theater theatre theme theory therapist therapy thesis thick thin thing things think thinks thirty
thought thoughtful thoughts thousand thread threat thrilled thriller throat throw ticket tickets tidy tie tiger tight
time timeline times tiny tip tips tire tired title toast toddler toe toilet told tomato tomatoes ton tone tongue tons
tool tools tooth top topic topics toss total touch tough tour tourist tournament tower town toy toys track trade
tradition traditional traffic tragic trail trails train trained trainer trait tram trans transaction transform
transgender transition translate transport trap trash travel traveler treasure treat treats tree trees trek trend
trial triangle tribe trick tricks tricky tried tries trip trips trivial trophy trouble truck true trust truth try tube
tune turn turned turtle turtles tutor tutorial twelve twenty twin twins twist type types typical ugly ultimate
umbrella uncle understand understood unexpected unfair unforgettable uniform union unique unit unity universe
university unknown unreal update upgrade upset urban urge usage use used useful user username users usual vacation
vacations vacuum vague validate valley valuable value values van vanilla variable variety vase vegan vegetable
vegetables vegetarian veggies vehicle venture venue verify verse version vet veteran vibe vibes victim victory video
videos view views village vintage violence violin virtual virus visa vision visit visitor visual vital vitamin vivid
vocal voice volcano volleyball volume volunteer vote wage wake walk walks wall wallet want wanted wants war warm
warmth warn wash waste watch watched water waterfall wave waves way ways weak wealth weapon wear weather weave web
webinar website wedding week weekend weekends weekly weeks weight weird wellness went west wet whale wheat wheel white
whole wide widow wife wild wildlife willing win wind window windy wine wing wings winner winter wire wisdom wise wish
wishes witness wolf woman women wonder wonderful wood wooden woods wool word words work worked worker workflow workout
workouts works workshop workshops world worried worry worse worst worth worthwhile worthy woven wrap wrist write
writer written wrong yard year years yell yellow yoga young youngest youth zebra zero zest zip zone zoo
"""

# Words that stand before a name at the head of a sentence: "Tell Melanie", "Go Jon!", "Awesome, Ana" without comma.
WORDS_BEFORE_NAMES = word_set("""
add adore agreed amazing ask awesome blame bless bring brought buy call catch choose chose contact email enjoy explore
fed feed find follow forget forgive gave get give glad go got had hate heard help hire hold hug invite join keep kiss
knew know leave left let love loved lovely loves made make meet meeting met miss move name need open own pay perfect
phone pick play poor prefer proud put read recommend remember remind rent run saw say see send sent serve show sing
skip start stop study support take taken taught teach tell text thank took trust try use visit visits want watch went
wish
""")

# Names of people and places whose ending would otherwise mark them as ordinary words.
NAMES_LIKE_WORDS = word_set("""
agnes ahmed alexis alfred ally angeles assembly beijing beverly billy boris carly charles chris clarence clement clive
constance curtis denis dennis dolly doris elly emily florence france frances fred hastings holly iris irving italy
james jared kelly kiely kimberly lance lawrence lilly lily louis lucas luis mildred mohammed molly nanjing natalie
nelly nicholas olive paris phyllis polly provence rachel reading sally sheffield shelly sicily sterling ted terence
texas thomas travis vance viking wilfred willy winifred
""")

NEVER_NAMES = (
    word_set(_PRONOUNS_AND_GRAMMAR) | word_set(_GREETINGS_AND_SOUNDS) | word_set(_ACRONYMS_OF_CHAT) | CALENDAR_WORDS
)
COMMON = word_set(_COMMON)
COMMON_ENDINGS = tuple(
    word_set(
        "ing ly tion tions sion sions ness ment ments ful less able ible ous ive ity ities ance ence ism ist ists ology"
        " ize ized ise ised ical"
    )
)
