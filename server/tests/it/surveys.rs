//! Surveys: templates, the editor as a plain form, undo, conflicts, versions, roles.

use domain::{
    accounts::{Role, Scope},
    surveys::{SurveyStatus, templates::TEMPLATES},
};
use server::surveys;

use crate::{on_both, support::TestApp};

on_both!(every_template_becomes_a_survey_that_people_can_answer, |t: TestApp| async move {
    let project = server::projects::create(&t.app, "My app", vec![], None).await.unwrap();
    let scope = Scope::system(project.id);
    for template in TEMPLATES {
        let key = format!("create-{}", template.key);
        let id = surveys::create(&t.app, &scope, template.key, "", &key).await.unwrap();
        assert_eq!(surveys::create(&t.app, &scope, template.key, "", &key).await.unwrap(), id, "a retry makes no second one");
        assert!(t.app.store.public_survey(id).await.unwrap().is_none());
        let published = surveys::publish(&t.app, &scope, id, 1, &format!("publish-{}", template.key)).await;
        if template.key == "blank" {
            assert!(matches!(published.unwrap_err().refusal(), Some(domain::Error::Invalid(e)) if e.at("add-question").is_some()));
            continue;
        }
        let published = published.unwrap();
        let public = t.app.store.public_survey(id).await.unwrap().unwrap();
        assert_eq!((public.version, public.number, public.status), (published.version, 1, SurveyStatus::Live));
        assert_eq!(public.body, (template.body)());
        assert_eq!(public.project, project.id);
        let version = t.app.store.survey_version(&scope, published.version).await.unwrap().unwrap();
        assert_eq!(version.body, public.body);
    }
    assert_eq!(t.app.store.live_surveys(project.id).await.unwrap().len(), TEMPLATES.len() - 1);
    assert_eq!(t.app.store.surveys(&scope).await.unwrap().len(), TEMPLATES.len());
});

on_both!(only_an_admin_makes_surveys, |t: TestApp| async move {
    let project = server::projects::create(&t.app, "My app", vec![], None).await.unwrap();
    let staff = domain::ids::StaffId(t.app.ids.uuid());
    let actor = domain::accounts::Actor { staff, roles: vec![(project.id, Role::Triager)] };
    let scope = actor.scope(project.id, Role::Viewer).unwrap();
    let refused = surveys::create(&t.app, &scope, "nps", "", "key-12345").await.unwrap_err();
    assert_eq!(refused.refusal(), Some(&domain::Error::Forbidden));
});
