"""What k8s/generate is made of: programs (what they say of themselves), stanzas (what a person says), objects (what follows), text."""
