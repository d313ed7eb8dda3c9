"""Stop words by language: the words that carry grammar, not subject.

Casefolded, with apostrophes folded out (don't -> dont) and diacritics kept (für, où), as `terms` meets them.
"""

from types import MappingProxyType

_ENGLISH = """
a about above after again against all also am an and any are arent as at be because been before being below between
both but by can cannot cant could couldnt did didnt do does doesnt doing dont down during each either else ever every
few for from further get gets got had hadnt has hasnt have havent having he her here hers herself him himself his how
however i if in into is isnt it its itself just let like lets may me might more most much must my myself neither no
nor not now of off on once one only or other our ours ourselves out over own really same shall she should shouldnt
since so some still such than that the their theirs them themselves then there these they this those though through to
too u under until up upon us very was wasnt we were werent what whatever when where whether which while who whom whose
why will with within without wont would wouldnt yet you your yours yourself yourselves
"""

_GERMAN = """
aber alle als also am an auch auf aus bei bin bis da dann das dass dein deine dem den der des die dir doch du durch
ein eine einem einen einer eines er es euch für gegen hab habe haben hat hatte ich ihm ihn ihr ihre im in ist ja jetzt
kann kein keine man mein meine meinem meinen meiner mich mir mit nach nicht noch nun nur ob oder ohne sehr sein seine
sich sie sind so über um und uns unser vom von vor wann war waren warum was weil welche wenn wer werden wie wieder wir
wird wo wurde zu zum zur
"""

_FRENCH = """
ai ainsi après as au aussi aux avait avant avec avez avoir avons c ce ces cet cette chez comme d dans de des donc du
elle elles en est et étais était être eu eux fait il ils j je l la le les leur leurs lui m ma mais me mes moi mon n ne
nos notre nous on ont ou où par parce pas plus pour pourquoi qu quand que quel quelle quels qui quoi s sa sans se ses
si son sont suis sur t ta te tes toi ton tu un une vos votre vous y à ça été
"""

_SPANISH = """
a al algo ante antes aunque como con cual cuando cuándo de del desde donde dónde dos el él ella ellas ellos en entre
era eran es esa ese eso esta está están este esto estoy fue ha había hace han hasta hay he la las le les lo los más me
mi mí mis mucho muy nada ni no nos nosotros o para pero por porque que qué quien quién se ser si sí sin sobre son soy
su sus también te tengo tiene tu tú tus un una uno unos y ya yo
"""

_ITALIAN = """
a abbiamo ai al alla alle anche avere aveva c che chi ci come con cosa cui da dal dalla dei del della delle di dopo
dove e è era erano ero essere gli ha hai hanno ho i il in io l la le lei li lo loro lui ma mi mia mie mio molto ne
negli nel nella noi non o per perché più poi prima qual quale quando quanto quella quello questa questo se sei senza
si sia sono sta stato su sua sulla suo ti tra tu tua tuo tutti un una uno vi voi
"""

_PORTUGUESE = """
a ainda ao aos as às até com como da das de dela dele do dos e é ela elas ele eles em entre era eram essa esse esta
está estava este estou eu foi foram há isso isto já lhe mais mas me mesmo meu meus minha minhas muito na não nas nem
no nos nós num numa o onde os ou para pela pelo por porque qual quando que quem se sem ser seu seus só sou sua suas
também te tem tenho teu teve tinha tu tua um uma você vocês
"""

_DUTCH = """
aan al als altijd bij daar dan dat de der deze die dit doen door dus een en er ge geen haar had heb hebben heeft hem
het hier hij hoe hun iemand iets ik in is ja je jij jullie kan kon kunnen maar me meer men met mij mijn moet na naar
niet niets nog nu of om omdat onder ons ook op over reeds te toch toen tot u uit uw van veel voor waar want waren was
wat we weer werd wie wij wil worden zal ze zelf zich zij zijn zo zonder zou
"""

_RUSSIAN = """
а без бы был была были было быть в вам вас весь во вот все всё вы где да для до его ее её если есть еще ещё же за
здесь и из или им их к как когда кто ли меня мне мой моя мои мы на над наш не него нее неё нет ни них но о об он она
они оно от очень по под при с сам свой со так там тебе тебя то того тоже только тот ты у уже чего чем что чтобы эта
эти это этот я
"""

_SWEDISH = """
alla alltså att av bara blev bli blir de dem den denna deras dess det detta dig din ditt dock du där då efter ej eller
en er ett från för ha hade han hans har henne hennes hon honom hur här i icke in inte jag ju kan kunde man med mellan
men mig min mina mitt mot mycket ni nu när någon något några och om oss på sedan sig sin sina sitt ska skulle som så
till under upp ut utan vad var vara varför varit vem vi vid vilken åt är över
"""

STOP_WORDS = MappingProxyType(
    {
        language: frozenset(words.split())
        for language, words in {
            "en": _ENGLISH,
            "de": _GERMAN,
            "fr": _FRENCH,
            "es": _SPANISH,
            "it": _ITALIAN,
            "pt": _PORTUGUESE,
            "nl": _DUTCH,
            "ru": _RUSSIAN,
            "sv": _SWEDISH,
        }.items()
    }
)
