#!/usr/bin/python3
"""Which files does the sample ministry of health come in?

    generate.py                  LDIF for slapadd(8), people, nested groups, facilities and password policies (RFC 2849)
    generate.py --people         the people with state and groups, as JSON: seed for an ID provider, table for tests
    generate.py --dhis2-seed     the same facilities, roles and user groups as DHIS2 metadata, as JSON

Called by test/support/slapd.py for the demo and the tests, and by anybody who wants to try the bridge against a
directory of their own. Standard library only; the same arguments give the same bytes.
"""

import argparse
import base64
import hashlib
import json
import sys
import uuid

import sample
from sample import SUFFIX

DEMO_PASSWORD = 'Health-Demo-1'
READER_PASSWORD = 'Bridge-Reader-1'
READER = f'cn=bridge,ou=services,{SUFFIX}'
# DHIS2 role -> authorities: what the ministry's jobs need, and what the demo's rules grant.
DHIS2_ROLES = {
    'Clinic worker': ['F_DATAVALUE_ADD', 'M_dhis-web-capture', 'BRIDGE_VERIFY'],
    'Data entry': ['F_DATAVALUE_ADD', 'M_dhis-web-dataentry'],
    'Data manager': ['F_DATAVALUE_ADD', 'F_DATAVALUE_DELETE', 'M_dhis-web-dataentry'],
    'Laboratory': ['F_DATAVALUE_ADD'],
    'Supervisor': ['F_APPROVE_DATA', 'M_dhis-web-dashboard'],
    'HMIS administrator': ['F_METADATA_EXPORT', 'F_ORGANISATIONUNIT_ADD', 'M_dhis-web-dashboard'],
}
ENTRY_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, 'health.example')


def escape_dn(value):
    """RFC 4514 section 2.4: the characters that would end or change an attribute value inside a DN."""
    escaped = ''.join('\\' + c if c in '"+,;<>\\=' else c for c in value)
    if escaped.startswith(('#', ' ')):
        escaped = '\\' + escaped
    if value.endswith(' ') and len(value) > 1:
        escaped = escaped[:-1] + '\\ '
    return escaped


def person_dn(uid):
    return f'uid={escape_dn(uid)},ou=people,{SUFFIX}'


def group_dn(name):
    return f'cn={escape_dn(name)},ou=groups,{SUFFIX}'


def place_dn(code):
    return f'ou={code},ou=facilities,{SUFFIX}'


def hash_password(password):
    """{SSHA} as slapd checks it out of the box. The salt is fixed because the output must be, and the password is public."""
    salt = hashlib.sha256(b'sample ministry' + password.encode()).digest()[:8]
    return '{SSHA}' + base64.b64encode(hashlib.sha1(password.encode() + salt).digest() + salt).decode()


def ldif_line(name, value):
    """RFC 2849 SAFE-STRING as it is, anything else in base64."""
    safe = value.isascii() and value.isprintable() and value[:1] not in (' ', ':', '<') and not value.endswith(' ')
    return f'{name}: {value}' if safe else f'{name}:: {base64.b64encode(value.encode()).decode()}'


def entry(dn, classes, **attributes):
    """One LDIF record. entryUUID is derived from the DN: who was linked stays linked when the directory is rebuilt."""
    lines = [ldif_line('dn', dn)] + [f'objectClass: {c}' for c in classes]
    attributes['entryUUID'] = str(uuid.uuid5(ENTRY_NAMESPACE, dn))
    for name, values in attributes.items():
        values = [values] if isinstance(values, str) else values
        lines += [ldif_line(name.replace('_', '-'), v) for v in values]
    return '\n'.join(lines) + '\n'


def policy(name, **differs):
    """slapo-ppolicy(5). Five wrong passwords lock for half an hour; passwords live 90 days where their age is known."""
    rules = {'pwdAttribute': 'userPassword', 'pwdLockout': 'TRUE', 'pwdMaxFailure': '5', 'pwdFailureCountInterval': '1800',
             'pwdLockoutDuration': '1800', 'pwdMaxAge': '7776000', 'pwdMustChange': 'TRUE', 'pwdAllowUserChange': 'TRUE',
             'pwdMinLength': '8', 'pwdCheckQuality': '1', **differs}
    return entry(f'cn={name},ou=policies,{SUFFIX}', ['organizationalRole', 'pwdPolicy'], cn=name, **rules)


def frame(reader_hash):
    """The suffix, the branches, the policies and the account the bridge reads with."""
    yield entry(SUFFIX, ['dcObject', 'organization'], dc='health', o='Ministry of Health, Example Country')
    for ou in ('people', 'groups', 'facilities', 'policies', 'services'):
        yield entry(f'ou={ou},{SUFFIX}', ['organizationalUnit'], ou=ou)
    yield policy('default')
    yield policy('until-unlocked', pwdLockoutDuration='0')
    yield policy('services', pwdLockout='FALSE', pwdMaxAge='0')  # nobody can lock the bridge out with bad passwords
    yield entry(READER, ['organizationalRole', 'simpleSecurityObject'], cn='bridge', userPassword=reader_hash,
                description='idbridge reads people, groups and account states',
                pwdPolicySubentry=f'cn=services,ou=policies,{SUFFIX}')


def facility_entry(place):
    parent = {'seeAlso': place_dn(place.parent)} if place.parent else {}
    return entry(place_dn(place.code), ['organizationalUnit'], ou=place.code, description=place.name, **parent)


def person_entry(person, password_hash):
    note = {'description': person.note} if person.note else {}
    member_of = {'memberOf': [group_dn(g) for g in person.groups]} if person.groups else {}
    return entry(person_dn(person.uid), ['inetOrgPerson', 'schacPersonalCharacteristics'], uid=person.uid, cn=person.name,
                 givenName=person.given, sn=person.surname, mail=person.mail, mobile=person.mobile,
                 employeeNumber=person.number, employeeType=person.employee_type, title=person.title,
                 departmentNumber=person.place, schacDateOfBirth=person.birth, userPassword=password_hash, **note,
                 **member_of, **person.operational)


def group_entries(everybody):
    """slapadd does not fill memberOf as the overlay does for later changes, so both directions are written here."""
    tree = sample.group_tree()
    members = {name: [group_dn(inner) for inner in inside] for name, (_, inside) in tree.items()}
    outer = {inner: name for name, (_, inside) in tree.items() for inner in inside}
    for person in everybody:
        for name in person.groups:
            members[name].append(person_dn(person.uid))
    for name, (description, _) in tree.items():
        member_of = {'memberOf': group_dn(outer[name])} if name in outer else {}
        yield entry(group_dn(name), ['groupOfNames'], cn=name, description=description, member=members[name], **member_of)


def ldif(everybody, password, reader_password):
    yield from frame(hash_password(reader_password))
    yield from map(facility_entry, sample.places())
    password_hash = hash_password(password)
    for person in everybody:
        yield person_entry(person, password_hash)
    yield from group_entries(everybody)


def people_list(everybody):
    return [{'uid': p.uid, 'dn': person_dn(p.uid), 'name': p.name, 'given_name': p.given, 'family_name': p.surname,
             'email': p.mail, 'phone_number': p.mobile, 'birthdate': f'{p.birth[:4]}-{p.birth[4:6]}-{p.birth[6:]}',
             'employee_number': p.number, 'facility': p.place, 'title': p.title, 'state': p.state,
             'groups': p.groups, 'note': p.note} for p in everybody]


def dhis2_uid(kind, code):
    """DHIS2 CodeGenerator: 11 characters, a letter first."""
    letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
    digest = hashlib.sha256(f'{kind} {code}'.encode()).digest()
    alphabet = letters + '0123456789'
    return letters[digest[0] % len(letters)] + ''.join(alphabet[b % len(alphabet)] for b in digest[1:11])


def org_unit(place, parents):
    unit = {'id': dhis2_uid('ou', place.code), 'code': place.code, 'name': place.name, 'shortName': place.name,
            'openingDate': '2000-01-01'}
    if place.parent:
        unit['parent'] = {'id': dhis2_uid('ou', place.parent)}
    unit['path'] = parents.get(place.parent, '') + '/' + unit['id']
    unit['level'] = unit['path'].count('/')
    parents[place.code] = unit['path']
    return unit


def provisioner(roles):
    """The DHIS2 account the bridge writes with. It can only grant what it holds itself, so it holds every other role's."""
    held = sorted({a for authorities in roles.values() for a in authorities})
    own = ['F_USER_ADD', 'F_USER_VIEW', 'F_USER_GROUPS_READ_ONLY_ADD_MEMBERS']
    role = {'id': dhis2_uid('role', 'PROV'), 'code': 'PROV', 'name': 'Identity bridge', 'authorities': own + held,
            'sharing': {'public': '--------'}}
    user = {'id': dhis2_uid('user', 'prov1'), 'username': 'prov1', 'firstName': 'Identity', 'surname': 'Bridge',
            'password': 'Provision1!', 'userRoles': [{'id': role['id']}]}
    return role, user


def dhis2_seed():
    """DHIS2 metadata (the shape of POST /api/metadata, users with their password): one role per kind of work, one user
    group per programme and region, an administrator and the bridge's own account."""
    units, parents = [], {}
    for place in sample.places():
        units.append(org_unit(place, parents))
    roles = [{'id': dhis2_uid('role', name), 'code': name.upper().replace(' ', '_'), 'name': name, 'authorities': held}
             for name, held in DHIS2_ROLES.items()]
    bridge_role, bridge_user = provisioner(DHIS2_ROLES)
    everything = {'id': dhis2_uid('role', 'SUPER'), 'code': 'SUPER', 'name': 'System administrator', 'authorities': ['ALL']}
    admin = {'id': dhis2_uid('user', 'admin'), 'username': 'admin', 'firstName': 'System', 'surname': 'Administrator',
             'password': 'district', 'userRoles': [{'id': everything['id']}]}
    country = [{'id': units[0]['id']}]
    users = [{**user, 'organisationUnits': country, 'dataViewOrganisationUnits': country} for user in (admin, bridge_user)]
    groups = [{'id': dhis2_uid('group', name), 'code': name.upper(), 'name': description, 'sharing': {'public': 'r-------'}}
              for name, (description, inside) in sample.group_tree().items() if inside]
    return {'organisationUnits': units, 'userRoles': [everything, bridge_role, *roles], 'userGroups': groups, 'users': users}


def main():
    parser = argparse.ArgumentParser(description='Write the sample ministry directory.')
    parser.add_argument('--ordinary', type=int, default=1000, metavar='N', help='how many people beside the special ones')
    parser.add_argument('--password', default=DEMO_PASSWORD, help="everybody's password")
    parser.add_argument('--reader-password', default=READER_PASSWORD, help='password of ' + READER)
    parser.add_argument('--people', action='store_true', help='list the people as JSON instead')
    parser.add_argument('--dhis2-seed', action='store_true', help='write DHIS2 metadata as JSON instead')
    options = parser.parse_args()
    if options.ordinary < 150:
        parser.error('with fewer than 150 people a team would be empty, and a groupOfNames must not be')
    everybody = list(sample.people(options.ordinary))
    if options.people or options.dhis2_seed:
        json.dump(dhis2_seed() if options.dhis2_seed else people_list(everybody), sys.stdout, ensure_ascii=False, indent=1)
        print()
    else:
        sys.stdout.reconfigure(encoding='utf-8')
        print('\n'.join(ldif(everybody, options.password, options.reader_password)))


if __name__ == '__main__':
    main()
