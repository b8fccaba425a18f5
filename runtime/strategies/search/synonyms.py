"""Words that mean the same to somebody who looks for a tool: general verbs and nouns of work with software, no product's own."""

from __future__ import annotations

from meshplan.runtime.strategies.search.words import stem

_GROUPS = """
create add new make insert append register start open compose draft write generate
get fetch read retrieve show view pull load look obtain display see check inspect
list enumerate browse all overview which
search find query lookup seek locate discover filter
update edit modify change set rename adjust revise patch alter
delete remove drop erase clear purge destroy trash discard unlink uninstall
send post publish share deliver notify
copy duplicate clone replicate
move transfer relocate drag
run execute launch invoke trigger perform start
stop cancel abort terminate kill halt end disable deactivate pause
enable activate turn resume
upload import attach
download export save store
merge combine join concatenate unite
compare diff difference versus
convert transform translate change
calculate compute count work sum
validate verify check lint test correct
schedule plan calendar appointment event meeting booking
book reserve reservation booking
close resolve finish complete done
assign delegate allocate
comment reply annotate note remark feedback
render draw plot visualize chart graph diagram
summarize summary digest overview recap
explain describe explanation understand
extract parse scrape crawl
analyze analysis analyse examine evaluate assess review
approve accept confirm
reject decline deny refuse
subscribe follow watch
pay payment charge checkout
refund reimburse
buy purchase order acquire
sell trade
price cost value quote rate
mail email message inbox
message chat dm text
picture image photo screenshot screen snapshot
clip video movie film
song music track audio
transcript subtitle caption
page webpage site website web url link
document file doc paper report
docx word document
pptx powerpoint presentation slide deck
xlsx excel spreadsheet workbook sheet
pdf document
folder directory path
repo repository
pr pull merge request
issue ticket bug task defect
commit revision change
branch ref
ci build pipeline workflow action
log output trace console
error exception failure crash problem
k8s kubernetes kubectl cluster
pod container
node machine host server instance
vm virtual machine instance
db database sql
table dataset
row record entry
column field property attribute
schema structure definition
user account person member people profile
team group organization
customer client contact
developer programmer engineer coder author
company business firm
permission access right role
password credential secret login
token key
setting configuration config option preference
version release tag
package library module dependency
dependency require need
vulnerability security cve
docs documentation reference manual guide
example demo sample snippet
template boilerplate
component widget element
todo task checklist
project workspace
card ticket item
board kanban
section category
flat apartment house home stay accommodation lodging rental hotel listing
flight plane airline
train railway rail
station stop
route direction navigation
place location spot poi
map geocode coordinate
near nearby close around neighborhood
car vehicle
weather forecast temperature rain umbrella
time timezone clock hour
date day
stock share equity ticker
history historical past
currency money exchange euro dollar
invoice bill
crypto bitcoin coin token
news headline article
paper publication research article
book ebook
recipe meal food dish
health medical
job vacancy position
translate translation language
random dice chance
number digit
dns domain
ip address
device gadget
monitor alert alarm incident
metric statistic stats measure
dashboard panel
deploy deployment release rollout
scale replica resize
backup snapshot restore
memory remember recall knowledge
think thinking reason thought puzzle
form survey questionnaire
citation footnote reference source
heading title name
trend trending popular hot
recent latest newest
distribution histogram spread
text content body
"""


def _index() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for line in _GROUPS.strip().splitlines():
        group = {stem(word) for word in line.split()}
        for word in group:
            found.setdefault(word, set()).update(group - {word})
    return {word: frozenset(others) for word, others in found.items()}


SYNONYMS = _index()
"""Stemmed word to the stemmed words that may stand for it."""
