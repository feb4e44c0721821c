"""The table of people: one row for each account status, and what makes it so on OpenLDAP, Active Directory and 389-ds.

samba_ad.py and ds389.py load the rows into their servers, test/flow/test_people.py loads them into slapd and asks the bridge
about each on all three. A server that cannot express a status has a Cannot there: the reason, and a change that an
administrator would have to make, with what the server is asserted to do with it. Where the attributes come from: slapo-ppolicy(5),
[MS-ADTS] and [MS-SAMR], the 389-ds Administration Guide; what each server answers: runs against the versions of Debian 12.
"""

from dataclasses import dataclass, field

PASSWORD = 'Us3r-Pass!'  # of everybody in the table
LONG_AGO, FAR_AHEAD = '20200101000000Z', '20991231000000Z'
LONG_AGO_FILETIME = '132223104000000000'  # 100 ns ticks since 1601
NEVER = bytes(21)  # of 168 hours of a week none


@dataclass(frozen=True)
class Way:
    """What the entry has beyond the ordinary; what a bind says with the right password, and with a wrong one."""
    attributes: dict = field(default_factory=dict)
    bind: str = 'ok'
    wrong: str = 'wrong_password'


@dataclass(frozen=True)
class Cannot:
    reason: str
    attempt: dict
    instead: str = ''  # what the person is afterwards, where the server takes it; empty: it refuses


LOCKED = 'locked_by_passwords'  # what OpenLDAP's control says of every kind of lock: the entry tells which

# status, login -> on OpenLDAP, Active Directory, 389-ds
TABLE = {
    ('ok', 'normal'): (Way(), Way(), Way()),
    ('disabled', 'disabled'): (
        Way({'pwdStartTime': LONG_AGO, 'pwdEndTime': LONG_AGO}, LOCKED, LOCKED),
        Way({'userAccountControl': '514'}, 'disabled'),
        Way({'nsAccountLock': 'true'}, 'disabled', 'disabled')),
    ('locked_by_admin', 'adminlocked'): (
        Way({'pwdAccountLockedTime': '000001010000Z'}, LOCKED, LOCKED),
        Cannot('knows one lock, lockoutTime, and that is the one by bad passwords: an administrator disables',
               {'lockoutTime': str(2**63 - 1)}, LOCKED),
        Cannot('has one lock for administrators, nsAccountLock, which is "disabled"', {'pwdAccountLockedTime': '000001010000Z'})),
    ('locked_by_passwords', 'lockedout'): (
        Way({'pwdAccountLockedTime': LONG_AGO, 'pwdPolicySubentry': 'cn=until-unlocked,ou=policies,dc=health,dc=example'},
            LOCKED, LOCKED),
        Way({}, LOCKED, LOCKED),  # three wrong passwords at every start
        Way({}, LOCKED, LOCKED)),
    ('expired', 'expired'): (
        Way({'pwdEndTime': LONG_AGO}, LOCKED, LOCKED),
        Way({'accountExpires': LONG_AGO_FILETIME}, 'expired'),
        Way({'shadowExpire': '18262'})),  # days since 1970; the server itself does not look at it
    ('password_expired', 'oldpassword'): (
        Way({'pwdChangedTime': LONG_AGO}, 'password_expired'),
        Way({}, 'password_expired'),  # pwdLastSet in 2020: set afterwards, past the server's rules
        Way({'passwordExpirationTime': LONG_AGO}, 'password_expired')),
    ('must_change', 'mustchange'): (
        Way({'pwdReset': 'TRUE'}, 'must_change'),
        Way({'pwdLastSet': '0'}, 'must_change'),
        Way({}, 'must_change')),  # reset by the administrator while passwordMustChange is on
    ('not_yet_valid', 'notyet'): (
        Way({'pwdStartTime': FAR_AHEAD}, LOCKED, LOCKED),
        Cannot('an account has an end, accountExpires, and no start', {'pwdStartTime': FAR_AHEAD}),
        Cannot('an account has no start', {'pwdStartTime': FAR_AHEAD})),
    ('logon_hours', 'offhours'): (
        Cannot('slapo-ppolicy(5) knows no hours', {'logonHours': NEVER}),
        Way({'logonHours': NEVER}, 'logon_hours'),
        Cannot('no attribute holds hours; an ACI with timeofday would hide the entry from everybody', {'logonHours': NEVER})),
}
TWINS = {'twin1': '900100', 'twin2': '900100'}  # 'ambiguous' by employee number; 'unknown' is nobody; 'unreachable': no server
KINDS = ('openldap', 'ad', '389ds')


def rows(kind):
    """(status, login, Way or Cannot) for one kind of server."""
    return [(*key, ways[KINDS.index(kind)]) for key, ways in TABLE.items()]


def persons(kind):
    """login -> attributes beyond the ordinary, of everybody there is on that kind of server."""
    found = {login: way.attributes for _, login, way in rows(kind) if isinstance(way, Way)}
    return {**found, **{login: {'employeeNumber': number} for login, number in TWINS.items()}}
