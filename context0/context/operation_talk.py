"""The words by which small talk and fix-ups are known, in small letters without marks."""

import re
from typing import Final

from context0.context.phrases import phrase_pattern
from context0.memory.rules.word_set import word_set

# --- small talk

ACKNOWLEDGING: Final = word_set("""
a absolutely afternoon again agree ah aha ahead all alright alrighty am amazing an and anytime anyway appreciate
appreciated are asleep at aw awesome aww back be beautiful bed believe best bet big bingo birthday bit bless blessed
bravo brb brilliant buddy bunch bye can care catch cheers christmas classic complain completely congrats
congratulations cool copy correct course damn dandy day deal dear definitely ditto do doing dokey done dope doubt
dreams easter else enjoy enough evening everyone exactly excellent fab fair fantastic fine folks for forward friday
friend fun funny genius get go going gonna good goodbye goodnight gosh got gotcha gotta grand great greetings guess ha
haha hahaha happy have heading hehe hello help helped helpful helps here hey heya hi hiya hm hmm holidays hooray hope
hoping how howdy hurray i impressive indeed interesting is it job joking journey just k kidding kk knew know kudos
later least leaving legend legit let life liked likewise ll lol lot love loved lovely luck m make makes many
marvellous marvelous mate maybe me meet merry million mind monday morning much my nah neat never new nice night no
nope not noted nothing now np nvm of off oh ok okay okey okie omg on one oops out pal peace peachy perfect phew please
point pretty problem quite re really regards rest right righto rock roger run s safe same saturday see sense sick
sleep small smashing so solid soon sorry sound sounds speak splendid star stellar such sunday sup super superb suppose
sure sweet t take talk terrific thank thankful thanks that the there thing things think this thursday thx tight to
today tomorrow tonight tons too totally touché travels true try ttyl tuesday ty ugh understand understandable
understood up very wait was wednesday weekend welcome well what whatever whoa will wonderful word work world worries
worry would wow yay yeah year yep yes yesss yikes yo you your yup
""")
"""A few words, all of them among these, ask for nothing, unless there is a question mark."""
TRIVIAL_ELSEWHERE: Final = word_set("""
abend accord adiós alles allez arrivederci até au bald beaucoup bem bene bien bientôt bis bitte boa bom bonjour bonne
bonsoir bra buenas buenos buonanotte buonasera buongiorno certo ciao claro come comment como cześć cómo d dank danke
dankeschön de dia dias dich dir dobry doei dzień dziękuję días es está estás euch geht genau genial goedemorgen
gracias grazie grüß gut gute guten guter hallo hasta hej hola ihnen ja je journée klar lieb liebe lieben logo luego
mañana merci mille moin morgen muchas mycket nacht nada nein nej no noch noches noite non nuit não obrigada obrigado
oi ola olá oui parfait perfecto perfetto prego prima que qué revoir s salut schoen schön schöne schönen sehr servus si
sim soirée später sta stai super så sì sí tack tag tak tal tarde tardes très tschüss tudo va vale vielen vous wel wie
wochenende à ça большое вечер да дела день доброе добрый здравствуйте как нет ок пока понятно привет спасибо утро
хорошо ясно
""")
TRIVIAL_UNSEGMENTED: Final = re.compile(
    r"(?:你好|您好|谢谢(?:你|您)?|多谢|再见|好的?|是的?|不是|不用|没事|嗯+|哈+|早上好|晚安|明白了?|知道了|こんにちは|"
    r"こんばんは|おはよう(?:ございます)?|ありがとう(?:ございます)?|どうも|はい|いいえ|了解(?:です)?|わかりました|さようなら|"
    r"안녕(?:하세요)?|감사합니다|고마워요?|네|아니요|알겠습니다)+"
)
GREETING_QUESTIONS: Final = phrase_pattern("""
how (?:are|re) (?:you|things|u) | how (?:is|s) (?:it going|life|everything) | what s up | how do you do
how was your (?:day|weekend|night) | are you there
""")
BARE_REPLIES: Final = word_set("""
correct exactly ja nah nein no non nope ok okay oui please right sim sure sì sí yeah yep yes yup да не нет
""")
TELLING: Final = word_set("""
add answer book buy call change dad delete find forget from get give he her him his keep make mine mom mum my note
open our play put remember remind remove save send set she show start stop tell their them they turn update use write
""")
"""What a message of small talk does not hold."""

# --- fix-ups

FIX_UP_CORE: Final = word_set("""
again broken differently erneut error errors fail failed failing fails incomplete incorrect misunderstood nochmal
nochmals redo regenerate repeat rephrase repite repítelo rerun retry reword riprova réessaie réessayez undo wrong
continue inténtalo recommence еще ещё повтори
""")
FIX_UP_PHRASES: Final = phrase_pattern(r"""
(?:once|one) more(?: time)? | do over | start over | go on | keep going | carry on | fix (?:it|that|this) | cut off
(?:did|does|do|is|was)(?: ?n t|nt| not)(?: \w+)? work(?:ing)? | (?:that|this) broke | finish (?:it|that|your \w+)
not work(?:ing)? | (?:is|was|s)(?: ?n t|nt| not) (?:right|correct|it|what i \w+) | not what i \w+ | not like that
you got it
(?:please|no|but) (?:in|as) (?:english|german|french|spanish|italian|a list|a table)
in (?:english|german|french|spanish|italian) please
no i meant (?:shorter|longer|simpler|in \w+|without \w+|as a \w+)
noch (?:mal|einmal) | geht (?:immer noch )?nicht | hat nicht (?:geklappt|funktioniert) | encore une fois | otra vez
ça n a pas marché | de nuevo | no (?:funciona|funcionó) | di nuovo | ancora una volta | non funziona | de novo
outra vez
""")
FIX_UP_TALK: Final = word_set("""
a about actually all an ancora and another answer answers as asked better bitte break briefly broke but came can
clearer completely correct correctly could cut das de did didn do does doesn don einmal empty encore english es está
explain falsch faster favor favore finish fix fois french from full funktioniert geht geklappt german get getting give
go going got hat here hey hmm huh i il immer in instead is isn ist it italian its just keep last like list longer m
mach make mal marché me mean meant message middle mir more my n nicht no noch non nope not now nuevo of off oh ok okay
on once one otra out output over pas per plaît please pls por probier properly quite read really reply response result
right run s same say send sentence shorter show simpler simply so something sorry spanish start still stopped t table
te tell thanks that the then there these think this those time to totally translate try une versuch versuche vez vous
wait wanted war was wasn went what why will without words work worked working would write wrote you your ça è
пожалуйста попробуй раз
""")
"""A short message of these words only, with one of the core or of the phrases, asks for the last answer again."""
FIX_UP_UNSEGMENTED: Final = re.compile(
    r"(?:请)?(?:再试一次|重试|再来一次|重新(?:生成|回答|来)|再说一遍|不对|错了)吧?|"
    r"(?:もう(?:一度|一回)|やり直して)(?:お願いします|やって)?(?:ください)?|다시(?: (?:해 ?줘|시도해 ?줘|시도))?"
)
AFTER_FAILURE: Final = re.compile(
    r"(?:and |ok |what )*(?:now|is it (?:back|up|fixed)(?: now)?|any luck|does it work(?: now)?|try|please)"
)
MEANT: Final = re.compile(r"(?:(?:no|nope|sorry|oh|well|actually|wait) )+i (?:meant|mean)\b.*")
