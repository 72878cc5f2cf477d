//! Secrets in every form a plan file can have them: none is quoted, and no line changes its width.

use super::masked;

/// A stand-in for a secret; it does not look like one.
const SECRET: &str = "hünter2one";

/// The masked text, after the proof that it has the same shape and no part of the secret.
fn told(text: &str) -> String {
    let masked = masked(text);
    assert_eq!(masked.len(), text.len());
    let widths = |text: &str| text.split('\n').map(str::len).collect::<Vec<_>>();
    assert_eq!(widths(&masked), widths(text), "{masked}");
    assert!(!masked.contains("nter2"), "{masked}");
    masked
}

#[test]
fn secrets_are_hidden_wherever_they_stand() {
    for text in [
        "POSTGIS_PASSWORD = \"§\" # x\n",
        "POSTGIS_PASSWORD = '§'\n",
        "\"Db:Password\" = \"§\"\n",
        "[app.geo]\nsettings = { USER = \"u\", POSTGIS_PASSWORD = \"§\" }\n",
        "[app.geo]\nsettings.POSTGIS_PASSWORD = \"§\"\n",
        "[app.geo.settings]\nX = { value = \"a\" }\nAPI_KEY = { value = \"§\", slot = true }\n",
        "[app.geo.settings]\nAPI_KEY = [\"§\", \"§\"]\n",
        "[[app.geo.probe]]\nheaders = { Authorization = \"Bearer §\", Cookie = '§' }\n",
        "[app.geo]\nsensitive = [\"GEO_PIN\"]\nsettings = { GEO_PIN = \"§\" }\n",
        "[app.geo.settings]\nX_TOKEN = \"\"\"\none §\ntwo §\"\"\"\n",
        "[app.geo.settings]\nX_TOKEN = '''§\n§'''\n",
        "[server.geo]\nconnections = [{ user = \"u\", password = \"§\" }, { password=\"§\" }]\n",
        "[[server.geo.connections]]\nname = \"a\"\npassword = \"§\"\n",
        "[template.base.settings]\nDB_PWD = \"§\"\n",
        "[variables]\ndb_password = { default = \"§\" }\n",
        "[variables.db_password]\ndefault = \"§\"\n",
        "[resource.app_settings.geo]\nsettings = { DB_PWD = \"§\" }\n",
        "[unknown.DB_PWD]\nvalue = \"§\"\n",
        "[app.geo]\nDB_PWD = \"§\"\n",
        "[app]\nDB_PWD = \"§\"\n",
        "url = \"postgres://u:§@h/d\"\n",
        "a = [\"Host=h; Password=§;\"]\n",
        "a = \"\"\"\nHost=h;\nPassword=§;\"\"\"\n",
        "\"postgres://u:§@h/d\" = 1\n",
        "# DB_PWD = \"§\"\na = 1 # DB_PWD = §\n# postgres://u:§@h/d\n",
    ] {
        told(&text.replace('§', SECRET));
    }
    assert_eq!(told("[app.a.settings]\nDB_PWD = 12345678\n"), "[app.a.settings]\nDB_PWD = ********\n");
}

#[test]
fn what_does_not_parse_is_hidden_too() {
    for text in [
        "DB_PWD = \"§\n",
        "DB_PWD = §\n",
        "DB_PWD = §, x = 1 }\n",
        "= \"x\"\nDB_PWD = \"§\" \"§\"\n",
        "x = = 1\n[app.geo]\nsettings = { A = \"1\", DB_PWD = \"§\n",
        "settings = { A = \"1\", DB_PWD = \"§\", B = }\n",
        "DB_PWD = \"\"\"\n§\n§\n",
        "x = = 1\nDB_PWD = '''\n§\n§'''\n",
        "x = = 1\nheaders = { Authorization = \"Bearer §\" }\n",
        "x = = 1\nurl = \"postgres://u:§@h/d\"\n",
    ] {
        told(&text.replace('§', SECRET));
    }
}

#[test]
fn what_is_no_secret_stays() {
    for text in [
        "version = 1 # the first\nname = \"geo\"\n",
        "[app.token-service]\nkind = \"function\"\nsettings = { DB_PWD = { env = \"DB_PWD\" }, B = { ref = \"role.api-key.name\" } }\n",
        "[role.api-key]\nserver = \"geo\"\n[[role.api-key.grants]]\ntables = [\"SELECT\"]\n",
        "[cleanup.geo]\nescrow = { key_vault = \"kv-ops\", purge_after = \"30d\" }\npassword_login = { role = \"geo\" }\n",
        "[resource.role_password.old]\nrole = \"geo\"\n",
        "[app.geo]\nsettings = { DB_PWD = true }\n",
        "",
    ] {
        assert_eq!(masked(text), text);
    }
    assert_eq!(
        told("[app.a.settings]\nDB_PWD = \"hünter2\" # x\nC = \"c\"\n"),
        "[app.a.settings]\nDB_PWD = \"********\" # x\nC = \"c\"\n"
    );
}
