"""Who works at the sample ministry of health, where, and in which groups?

Called by generate.py, which turns the answer into LDIF, DHIS2 metadata or a list. Everything is computed from a fixed
seed and holds no date that a later day could overtake, so two runs years apart give the same ministry. README.md
describes it for people; test/support/test_directories.py holds it to that description.
"""

import random
from dataclasses import dataclass, field

SUFFIX = 'dc=health,dc=example'
COUNTRY = 'EX'
REGIONS, DISTRICTS, FACILITIES = 4, 3, 4  # districts per region, facilities per district

LONG_AGO = '20200101000000Z'
FAR_AHEAD = '20990101000000Z'
LOCKED_BY_ADMIN = '000001010000Z'  # slapo-ppolicy(5), pwdAccountLockedTime: only an administrator can unlock

PROGRAMMES = {'hiv': 'HIV', 'malaria': 'Malaria', 'epi': 'Immunisation'}

# Job title -> (role group, level of the place where the job is: 0 country .. 3 facility, how many of 100 people).
JOBS = {
    'Nurse': ('nurses', 3, 38),
    'Community health worker': ('community-health-workers', 3, 27),
    'Medical doctor': ('doctors', 3, 12),
    'Laboratory technician': ('laboratory', 3, 8),
    'Data clerk': ('data-entry', 3, 8),
    'District data manager': ('data-managers', 2, 4),
    'Regional supervisor': ('supervisors', 1, 2),
    'HMIS administrator': ('dhis2-administrators', 0, 1),
}
ON_CALL = 'On-call (R1, North) + "any" *'  # a group whose name needs escaping both in DNs and in search filters

GIVEN = ('Abena Adunni Aisha Akua Amara Anita Anura Asha Ayo Beatriz Binta Chidi Chipo Daniel Deepa Devika Esther Farid '
         'Fatou Grace Hassan Ibrahim Imani Joana Joseph Juma Kamala Kofi Kwame Lakshmi Leila Lerato Lucia Mamadou Maria '
         'Mary Miguel Moses Nadia Naledi Ngozi Omar Paulo Pedro Priya Rahul Ravi Rosa Ruth Said Samina Sanjay Sarah '
         'Sunil Tariq Tendai Thabo Tomas Yaw Zainab Zawadi').split()
SURNAMES = ('Abebe Achieng Adeyemi Afolabi Ahmed Banda Bangura Camara Chanda Chirwa Cissé Dias Dlamini Fernando Ferreira '
            'Gomes Gunasekara Haidara Hossain Jayasinghe Kamau Kaunda Keita Khan Koroma Kumar Lopes Machava Mahmoud '
            'Mendes Mensah Moyo Mwangi Nair Ncube Ndiaye Nkosi Nyambura Obi Ochieng Okafor Otieno Owusu Patel Perera '
            'Phiri Rahman Sesay Sharma Silva Singh Sow Tembo Traoré Wanjiru Zulu').split()


@dataclass
class Place:
    """A country, region, district or facility; its code is the DHIS2 organisation unit's code."""
    code: str
    name: str
    parent: str | None


@dataclass
class Person:
    uid: str
    given: str
    surname: str
    title: str
    place: str
    number: str
    birth: str  # YYYYMMDD
    mobile: str
    groups: list = field(default_factory=list)  # direct groups only, by name
    state: str = 'ok'
    note: str = ''
    common_name: str = ''
    employee_type: str = 'permanent'
    operational: dict = field(default_factory=dict)  # attributes that slapd itself maintains (slapo-ppolicy(5))

    @property
    def name(self):
        return self.common_name or f'{self.given} {self.surname}'

    @property
    def mail(self):
        local = ''.join(c for c in self.uid if c.isascii() and (c.isalnum() or c in '.-'))
        return f'{local if local.strip(".-") else self.number}@health.example'


# The people a demonstration or a test asks for by name: uid, given name, surname, state, note, what differs.
SPECIAL = (
    ('amina.diallo', 'Amina', 'Diallo', 'ok', 'an ordinary nurse', {}),
    ('samuel.okoro', 'Samuel', 'Okoro', 'ok', 'a supervisor of region 1',
     {'title': 'Regional supervisor', 'place': 'EX-R1', 'groups': ['supervisors', 'hiv-r1-d1', 'malaria-r1-d1']}),
    ('dina.disabled', 'Dina', 'Moreau', 'disabled', 'left the service; password start is not before its end',
     {'employee_type': 'disabled', 'operational': {'pwdStartTime': LONG_AGO, 'pwdEndTime': LONG_AGO}}),
    ('emil.expired', 'Emil', 'Santos', 'expired', 'contract ended',
     {'employee_type': 'contract', 'operational': {'pwdEndTime': LONG_AGO}}),
    ('nora.notyet', 'Nora', 'Haile', 'not_yet_valid', 'contract begins in 2099',
     {'employee_type': 'contract', 'operational': {'pwdStartTime': FAR_AHEAD}}),
    ('lars.locked', 'Lars', 'Mutua', 'locked_by_admin', 'locked by an administrator',
     {'operational': {'pwdAccountLockedTime': LOCKED_BY_ADMIN}}),
    ('paul.badpasswords', 'Paul', 'Sithole', 'locked_by_passwords', 'five wrong passwords',
     {'operational': {'pwdAccountLockedTime': LONG_AGO, 'pwdPolicySubentry': f'cn=until-unlocked,ou=policies,{SUFFIX}'}}),
    ('olga.oldpassword', 'Olga', 'Bekele', 'password_expired', 'password last changed in 2020',
     {'operational': {'pwdChangedTime': LONG_AGO}}),
    ('mara.mustchange', 'Mara', 'Jallow', 'must_change', 'password was reset by an administrator',
     {'operational': {'pwdReset': 'TRUE'}}),
    ('nina.nogroup', 'Nina', 'Costa', 'ok', 'in no group', {'groups': []}),
    ('o\'brien, "ann" + (r1) *\\;<>=#', 'Ann', "O'Brien", 'ok', 'uid, name and group need escaping everywhere',
     {'common_name': 'Ann "Annie" O\'Brien, RN + (R1) *\\', 'groups': ['nurses', 'hiv-r1-d1', ON_CALL]}),
    ('nimal.perera', 'නිමල්', 'පෙරේරා', 'ok', 'a Sinhala name', {}),
    ('abebe.bekele', 'አበበ', 'በቀለ', 'ok', 'an Amharic name', {}),
    ('fatima.zahra', 'فاطمة', 'الزهراء', 'ok', 'an Arabic name, right to left', {}),
    ('දිල්කි.සිල්වා', 'දිල්කි', 'සිල්වා', 'ok', 'a Sinhala name and uid, so the DN is not Latin either', {}),
    ('twin.one', 'Twin', 'Desta', 'ambiguous', 'shares employeeNumber 900100 with twin.two', {'number': '900100'}),
    ('twin.two', 'Twin', 'Desta', 'ambiguous', 'shares employeeNumber 900100 with twin.one', {'number': '900100'}),
)


def places():
    """The country, then each region, its districts and their facilities: parents come first."""
    yield Place(COUNTRY, 'Example Country', None)
    for r in range(1, REGIONS + 1):
        region = f'{COUNTRY}-R{r}'
        yield Place(region, f'Region {r}', COUNTRY)
        for d in range(1, DISTRICTS + 1):
            district = f'{region}-D{d}'
            yield Place(district, f'District {r}.{d}', region)
            for f in range(1, FACILITIES + 1):
                kind = 'District hospital' if f == 1 else 'Health centre'
                yield Place(f'{district}-F{f}', f'{kind} {r}.{d}.{f}', district)


def group_tree():
    """Group name -> (description, names of the groups inside it): programme, its regions, their teams; then the roles."""
    tree = {}
    for key, title in PROGRAMMES.items():
        regions = [f'{key}-r{r}' for r in range(1, REGIONS + 1)]
        tree[key] = (f'{title} programme, national', regions)
        for r, region in enumerate(regions, 1):
            teams = [f'{region}-d{d}' for d in range(1, DISTRICTS + 1)]
            tree[region] = (f'{title} programme, region {r}', teams)
            tree.update({team: (f'{title} team, district {r}.{d}', []) for d, team in enumerate(teams, 1)})
    for title, (role, _, _) in JOBS.items():
        tree[role] = (f'Role: {title}', [])
    tree[ON_CALL] = ('Who may be called at night', [])
    return tree


def special_people():
    for n, (uid, given, surname, state, note, differs) in enumerate(SPECIAL, 1):
        usual = {'title': 'Nurse', 'place': 'EX-R1-D1-F1', 'number': f'9000{n:02}', 'birth': f'1985{n % 12 + 1:02}15',
                 'mobile': f'+999555{n:06}', 'groups': ['nurses', 'hiv-r1-d1']}
        yield Person(uid=uid, given=given, surname=surname, state=state, note=note, **{**usual, **differs})


def ordinary_people(count):
    """Everybody else. Facility and programme go round, so that 150 people are enough to leave no team empty."""
    rng = random.Random(20250)  # the fixed seed: any number, never changed
    titles, weights = list(JOBS), [job[2] for job in JOBS.values()]
    facilities = [p.code for p in places() if p.code.count('-') == 3]
    used = {row[0] for row in SPECIAL}
    for n in range(count):
        given, surname = rng.choice(GIVEN), rng.choice(SURNAMES)
        base = uid = f'{given}.{surname}'.lower().replace('é', 'e')
        while uid in used:
            uid = f'{base}{rng.randrange(2, 9999)}'
        used.add(uid)
        title = titles[n] if n < len(titles) else rng.choices(titles, weights)[0]
        role, level, _ = JOBS[title]
        facility = facilities[n % len(facilities)]
        programme = list(PROGRAMMES)[n // len(facilities) % len(PROGRAMMES)]
        _, region, district, _ = facility.lower().split('-')
        yield Person(uid, given, surname, title, '-'.join(facility.split('-')[:level + 1]), str(100001 + n),
                     f'{rng.randrange(1960, 2003)}{rng.randrange(1, 13):02}{rng.randrange(1, 29):02}', f'+999700{n:06}',
                     groups=[role, f'{programme}-{region}-{district}'],
                     employee_type=rng.choice(('permanent', 'permanent', 'permanent', 'contract')))


def people(ordinary):
    yield from special_people()
    yield from ordinary_people(ordinary)
